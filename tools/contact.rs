//! Phone numbers and e-mail addresses, masked.
//!
//! Every tool that shows contact data asks here, so that one rule holds for all of them: a caller whose group is not
//! allowed contact data can recognise a number that it knows already, and learns none. An unknown form is masked
//! whole: this file never passes on what it does not understand.

/// What stands for the hidden part.
const HIDDEN: &str = "****";

/// `13812348888` → `138****8888`; shorter numbers keep less, and what is no number keeps nothing.
pub(crate) fn mask_phone(phone: &str) -> String {
    let plus = if phone.trim_start().starts_with('+') { "+" } else { "" };
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let (head, tail) = match digits.len() {
        // A country code and an operator's prefix at most; the eight digits that tell people apart are at the end.
        count @ 11.. => ((count - 8).min(5), 4),
        7..=10 => (2, 2),
        _ => return HIDDEN.into(),
    };
    let start: String = digits.iter().take(head).collect();
    let end: String = digits.iter().skip(digits.len() - tail).collect();
    format!("{plus}{start}{HIDDEN}{end}")
}

/// `zhang@example.com` → `z***@example.com`; what is no address keeps nothing.
pub(crate) fn mask_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) if !domain.is_empty() => {
            let first: String = local.chars().take(1).collect();
            format!("{first}***@{domain}")
        }
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{mask_email, mask_phone};

    #[test]
    fn a_mobile_number_keeps_its_prefix_and_its_last_four_digits() {
        assert_eq!(mask_phone("13812348888"), "138****8888");
        assert_eq!(mask_phone("138 1234-8888"), "138****8888");
        assert_eq!(mask_phone("+8613812348888"), "+86138****8888");
    }

    #[test]
    fn shorter_numbers_keep_less_and_other_text_nothing() {
        assert_eq!(mask_phone("61234567"), "61****67");
        assert_eq!(mask_phone("12345"), "****");
        assert_eq!(mask_phone("ask my sister"), "****");
        assert_eq!(mask_phone(""), "****");
        assert_eq!(mask_phone("008613812348888123"), "00861****8123");
    }

    #[test]
    fn an_address_keeps_its_first_letter_and_its_domain() {
        assert_eq!(mask_email("zhang@example.com"), "z***@example.com");
        assert_eq!(mask_email("张伟@example.com"), "张***@example.com");
        assert_eq!(mask_email("@example.com"), "***@example.com");
        assert_eq!(mask_email("no address"), "****");
        assert_eq!(mask_email("name@"), "****");
    }
}
