//! Searches on a real database file: who is found, in which order, by which index, and whatever is typed.

use anmei_mcp_tools::{Records, port::UserHit};
use rusqlite::{Connection, Params};

use super::{BY_CHARACTERS, BY_EMAIL, BY_NAME, BY_PHONE, BY_TRIGRAMS, range};
use crate::{
    clock::from_ms,
    store::{
        Store,
        import::{Record, UserRecord},
        migrate::SCHEMA,
    },
};

const PEOPLE: &[(&str, &str, &str)] = &[
    ("张伟", "zhang.wei@example.com", "13812348888"),
    ("张伟东", "weidong@example.com", "+86 139 0000 1111"),
    ("小张", "xiaozhang@example.com", "15012345678"),
    ("欧阳娜娜", "nana@example.com", "18600002222"),
    ("Li Na", "li.na@example.com", "18600003333"),
    ("Annabel Wang", "abw@example.com", "18600004444"),
    ("José García", "jose@example.com", "18600005555"),
    ("小鹿Lily🌸", "deer@example.com", "18600006666"),
    ("ＷＡＮＧ Ｙｕ", "wy@example.com", "18600007777"),
    ("100%_real", "percent@example.com", "18600008888"),
    ("O\"Neil (VIP)", "oneil@example.com", "18600009999"),
    ("𠮷野家", "yoshi@example.com", "18600001234"),
];

async fn clinic() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let records = (0..).zip(PEOPLE).map(|(number, (username, email, phone))| {
        Record::User(UserRecord {
            id: format!("usr_{number}"),
            username: (*username).into(),
            email: Some((*email).into()),
            phone: Some((*phone).into()),
            registered_at: Some(from_ms(1_700_000_000_000 + number)),
            ..UserRecord::default()
        })
    });
    store.import(records.collect(), 1_779_271_200_000).await.unwrap();
    (dir, store)
}

async fn names(store: &Store, query: &str) -> Vec<String> {
    store.search_users(query, 50).await.unwrap().into_iter().map(|UserHit { user, .. }| user.username).collect()
}

#[tokio::test]
async fn people_are_found_by_any_part_best_first() {
    let (_dir, store) = clinic().await;
    let expected: &[(&str, &[&str])] = &[
        ("张", &["张伟", "张伟东", "小张"]),
        ("张伟", &["张伟", "张伟东"]),
        ("伟", &["张伟", "张伟东"]),
        ("娜娜", &["欧阳娜娜"]),
        ("欧阳娜", &["欧阳娜娜"]),
        ("阳娜娜", &["欧阳娜娜"]),
        ("张 伟", &["张伟", "张伟东"]),
        ("li", &["Li Na", "小鹿Lily🌸"]),
        ("LI NA", &["Li Na"]),
        ("na li", &["Li Na"]),
        ("na", &["欧阳娜娜", "Li Na"]),
        ("wang", &["ＷＡＮＧ Ｙｕ", "Annabel Wang"]),
        ("lily", &["小鹿Lily🌸"]),
        ("小鹿l", &["小鹿Lily🌸"]),
        ("jose", &["José García"]),
        ("garcia", &["José García"]),
        ("GARCÍA", &["José García"]),
        ("nnabe", &["Annabel Wang"]),
        ("𠮷", &["𠮷野家"]),
        ("吉", &[]),
        ("xiaozhang@example.com", &["小张"]),
        ("zhang.", &["张伟"]),
        ("138 1234-8888", &["张伟"]),
        ("+8613812348888", &["张伟"]),
        ("13900001111", &["张伟东"]),
        ("138", &["张伟"]),
        ("1390", &["张伟东"]),
        ("12345", &["小张"]),
        ("345678", &["小张"]),
        ("张伟 139", &["张伟东"]),
        ("nobody", &[]),
        ("", &[]),
        (" \t ", &[]),
    ];
    for (query, expected) in expected {
        assert_eq!(&names(&store, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_whole_field_scores_one_and_the_limit_holds() {
    let (_dir, store) = clinic().await;
    for query in ["张伟", "li na", "ZHANG.WEI@example.com", "13812348888", "+86 138 1234 8888"] {
        let best = &store.search_users(query, 5).await.unwrap()[0];
        assert!((best.score - 1.0).abs() < f64::EPSILON, "{query} {}", best.score);
    }
    let all = store.search_users("example", 50).await.unwrap();
    assert_eq!(all.len(), PEOPLE.len());
    assert!(all.iter().all(|hit| hit.score > 0.0 && hit.score < 1.0) && all.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert_eq!(store.search_users("example", 3).await.unwrap(), all[..3]);
    assert!(store.search_users("example", 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_typed_is_syntax() {
    let (_dir, store) = clinic().await;
    assert_eq!(names(&store, "100%_").await, ["100%_real"]);
    assert_eq!(names(&store, "%").await, Vec::<String>::new());
    assert_eq!(names(&store, "O\"Neil").await, ["O\"Neil (VIP)"]);
    assert_eq!(names(&store, "(vip)").await, ["O\"Neil (VIP)"]);
    let hostile = [
        "\"",
        "\"\"",
        "'",
        "*",
        "a*",
        "-",
        "^a",
        "a OR b",
        "NOT",
        "AND",
        "NEAR(a b)",
        "username:a",
        "{a}",
        "+",
        "(",
        "a\0b",
        "\0",
        "🌸",
        "é",
        "\u{301}",
        "a\u{301}b\u{301}c",
        "ß",
        "ǆ",
        "Ⓐ🅐",
        "a🅐b",
        "कि",
        "ไทย",
        "한글",
        "が",
        "\u{10ffff}",
        "\u{feff}",
        "\u{202e}abc",
        "%' OR 1=1 --",
        "\\",
        "漢\u{fe00}字",
    ];
    for query in hostile {
        store.search_users(query, 10).await.unwrap_or_else(|error| panic!("{query:?}: {error}"));
    }
    for query in ["x".repeat(10_000), "张".repeat(10_000), "a b ".repeat(5_000), "\"".repeat(1_000)] {
        store.search_users(&query, 10).await.unwrap();
    }
}

#[test]
fn every_tier_is_answered_by_an_index_without_sorting() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    let plan = |sql: &str, params: &dyn Fn(&mut rusqlite::Statement<'_>) -> Vec<String>| {
        params(&mut db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap()).join(" / ")
    };
    assert_eq!(plan(BY_NAME, &|s| steps(s, range("a"))), "SEARCH users USING INDEX users_by_name (username>? AND username<?)");
    assert_eq!(plan(BY_EMAIL, &|s| steps(s, range("a"))), "SEARCH users USING INDEX users_by_email (email>? AND email<?)");
    assert_eq!(plan(BY_PHONE, &|s| steps(s, range("a"))), "SEARCH users USING INDEX users_by_phone (phone>? AND phone<?)");
    for sql in [BY_TRIGRAMS, BY_CHARACTERS] {
        let plan = plan(sql, &|s| steps(s, ["\"abc\""]));
        assert!(
            plan.starts_with("SCAN f VIRTUAL TABLE INDEX ") && plan.ends_with(" / SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"),
            "{plan}"
        );
    }
}

fn steps(statement: &mut rusqlite::Statement<'_>, params: impl Params) -> Vec<String> {
    statement.query_map(params, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
}
