//! What each form of a value is read as, and how a wrong one is refused.

use serde_json::json;

use super::{content, email, fen, flag, id, list, number, phone, tags, time};
use crate::clock::rfc3339;

#[test]
fn amounts_are_exact_decimals() {
    let good = [
        (json!(1980), 198_000),
        (json!(19.99), 1_999),
        (json!("0.1"), 10),
        (json!("1,980.50"), 198_050),
        (json!("¥ 3000"), 300_000),
        (json!("12.3400"), 1_234),
        (json!(0), 0),
    ];
    for (value, expected) in good {
        assert_eq!(fen(&value), Ok(expected), "{value}");
    }
    let bad = ["", "-1", "1.234", "1.", ".5", "1,98", "12,34", "1980,123", "1e3", "x", "9223372036854775807"];
    for value in bad.map(|text| json!(text)).into_iter().chain([json!(1e300), json!(-5), json!(true), json!(0.001)]) {
        assert!(fen(&value).is_err(), "{value}");
    }
    assert_eq!(
        fen(&json!("abc")).unwrap_err(),
        "`abc` is not understood; expected an amount in yuan with at most two decimals, such as 1980 or 1980.50"
    );
}

#[test]
fn times_come_in_four_forms_and_dates_begin_at_the_clinic() {
    let good = [
        (json!("2026-05-20T18:00:00+08:00"), "2026-05-20T10:00:00.000Z"),
        (json!("2026-05-20T10:00:00.5Z"), "2026-05-20T10:00:00.500Z"),
        (json!("2026-05-20"), "2026-05-19T16:00:00.000Z"),
        (json!("2026-05-20 18:00"), "2026-05-20T10:00:00.000Z"),
        (json!(1_779_271_200_000_i64), "2026-05-20T10:00:00.000Z"),
        (json!("1779271200000"), "2026-05-20T10:00:00.000Z"),
    ];
    for (value, expected) in good {
        assert_eq!(rfc3339(time(&value).unwrap().timestamp_millis()), expected, "{value}");
    }
    // Seconds would be 1970.
    for value in [json!(1_779_271_200), json!("20/05/2026"), json!("2026-02-30"), json!("9999-01-01"), json!(1.5), json!([])] {
        assert!(time(&value).is_err(), "{value}");
    }
}

#[test]
fn lists_are_arrays_or_separated_text() {
    let expected = Ok(vec!["色斑".to_owned(), "皱纹".to_owned()]);
    for value in [json!(["色斑", "皱纹"]), json!("色斑;皱纹"), json!("色斑 | 皱纹 |"), json!("色斑；皱纹"), json!("[\"色斑\", \"皱纹\"]")]
    {
        assert_eq!(list(&value), expected, "{value}");
    }
    assert_eq!(list(&json!([])), Ok(vec![]));
    for value in [json!("[1"), json!({}), json!([["a"]]), json!([null])] {
        assert!(list(&value).is_err(), "{value}");
    }
    assert_eq!(tags(&json!("Metal Implant;LIDOCAINE")).unwrap(), ["metal_implant", "lidocaine"]);
}

#[test]
fn ids_addresses_and_numbers_are_checked() {
    assert_eq!(id(&json!(17)), Ok("17".into()));
    assert!(id(&json!("a b")).is_err());
    assert!(id(&json!("x".repeat(65))).is_err());
    assert_eq!(email(&json!(" lina@example.com ")), Ok("lina@example.com".into()));
    for wrong in ["lina", "@example.com", "a@b@c", "a b@c", "a@"] {
        assert!(email(&json!(wrong)).is_err(), "{wrong}");
    }
    assert_eq!(phone(&json!(13_812_348_888_i64)), Ok("13812348888".into()));
    assert_eq!(phone(&json!("+86 138-1234-8888")), Ok("+8613812348888".into()));
    assert_eq!(
        phone(&json!("ask")).unwrap_err(),
        "`ask` is not understood; expected 3 to 20 digits, such as 13812348888 or +86 138-1234-8888"
    );
    assert_eq!(number(&json!("3"), 1, 5), Ok(3));
    assert!(number(&json!(6), 1, 5).is_err());
    assert!(number(&json!(1.5), 1, 5).is_err());
    assert_eq!((flag(&json!("TRUE")), flag(&json!(0)), flag(&json!("否"))), (Ok(true), Ok(false), Ok(false)));
    assert!(flag(&json!("maybe")).is_err());
}

#[test]
fn a_message_may_be_a_text_or_an_object() {
    assert_eq!(content(&json!("你好")).unwrap(), json!({"text": "你好"}));
    assert_eq!(content(&json!("{\"text\": \"hi\", \"a\": 1}")).unwrap(), json!({"text": "hi", "a": 1}));
    assert_eq!(content(&json!({"text": "hi"})).unwrap(), json!({"text": "hi"}));
    assert!(content(&json!(["hi"])).is_err());
}
