//! What the stand-in writes: a welcome in Chinese from the facts its tools gave it.
//!
//! A model would put the clinic's advice, which is meant for consultants, into words for the customer; here a few
//! plain rules do. What no rule knows is left out: nothing of a customer's record is repeated for its own sake.

use serde_json::Value;

/// What the tools told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// The customer's name.
    pub(super) username: Option<String>,
    /// Which kind of customer, by the tool's code or name.
    pub(super) segment: Option<String>,
    /// What the clinic recommends to its consultants.
    pub(super) recommendations: Vec<String>,
}

impl Facts {
    /// Learns from one tool's text; what is no JSON object, such as an error, teaches nothing.
    pub(super) fn learn(&mut self, text: &str) {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return };
        let field = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        self.username = field("username").or_else(|| self.username.take());
        self.segment = field("segment_code").or_else(|| field("customer_segment")).or_else(|| self.segment.take());
        if let Some(Value::Array(texts)) = fields.get("recommendations") {
            self.recommendations = texts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }
}

/// The welcome.
pub(super) fn welcome(facts: &Facts) -> String {
    let name = facts.username.as_deref().filter(|name| !name.trim().is_empty());
    let greeting = match name {
        Some(name) => format!("{name}，您好！"),
        None => "您好！".to_owned(),
    };
    let opening = match facts.segment.as_deref() {
        Some("vip" | "regular" | "developing" | "at_risk" | "lapsed") => "很高兴再次见到您，感谢您一直以来对安美智享的信任。",
        Some(_) => "欢迎加入安美智享！您的每一个变美的想法，我们都会认真倾听。",
        None => "欢迎来到安美智享！",
    };
    let advice: String = facts.recommendations.iter().filter_map(|text| for_the_customer(text)).take(2).collect();
    let advice =
        if advice.is_empty() { "有任何关于护肤或医美的问题，都可以直接告诉我。".to_owned() } else { advice };
    format!("{greeting}{opening}🌟\n\n{advice}\n\n您的专属顾问很快会与您联系，期待与您一起开启美丽之旅。")
}

/// A recommendation as a customer may read it, if there is a rule for it.
fn for_the_customer(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("关注「") {
        let (concern, advice) = rest.split_once("」：")?;
        return Some(match advice.strip_prefix("可请医生评估") {
            Some(services) => format!("关于您关注的「{concern}」，可以先了解{services}，由医生面诊后为您确认。"),
            None => format!("关于您关注的「{concern}」，我们建议先面诊，由医生为您评估。"),
        });
    }
    if text.contains("首次面诊") {
        return Some("我们为您准备了一对一的基础咨询服务，随时可以预约首次面诊。".to_owned());
    }
    // A short noun phrase, such as 个性化护肤建议, can be offered as it stands.
    let is_offer = text.chars().count() <= 12 && !text.contains(['：', ':', '，', '。']);
    is_offer.then(|| format!("我们为您准备了{text}。"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::dify::clean::{Language, clean};

    fn learned(texts: &[&str]) -> Facts {
        let mut facts = Facts::default();
        for text in texts {
            facts.learn(text);
        }
        facts
    }

    #[test]
    fn a_welcome_is_written_from_facts_and_passes_the_gate() {
        let facts = learned(&[
            r#"{"username":"张伟","is_new_user":true}"#,
            r#"{"customer_segment":"新用户","segment_code":"new","recommendations":["新注册客户：发送个性化欢迎，提供基础咨询服务并邀请首次面诊","关注「色斑」：可请医生评估皮秒激光（¥3,000–6,000）或光子嫩肤（¥1,200–2,400）","档案缺少预算：下次沟通时询问"]}"#,
        ]);
        let text = welcome(&facts);
        for part in ["张伟，您好！", "欢迎加入", "首次面诊", "皮秒激光"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("档案"), "{text}");
        assert_eq!(clean(&text, 600, Some(Language::Chinese)).unwrap().unwrap(), text);
    }

    #[test]
    fn without_facts_it_is_still_a_welcome() {
        let text = welcome(&learned(&["错误：未知用户", "[]", "{}"]));
        assert!(text.starts_with("您好！欢迎来到安美智享！"), "{text}");
        assert_eq!(clean(&text, 600, Some(Language::Chinese)).unwrap().unwrap(), text);
        assert!(welcome(&learned(&[r#"{"recommendations":["基础咨询服务"]}"#])).contains("我们为您准备了基础咨询服务。"));
        assert!(welcome(&learned(&[r#"{"customer_segment":"VIP","segment_code":"vip"}"#])).contains("再次见到您"));
    }
}
