//! The data a summary is made from, as callers give it.
//!
//! The known fields are documented for the model that fills them in; any other field is kept and read too. A caller
//! that sends JSON as a string, or plain text, is understood as well, since some clients can send nothing else.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use super::content;

/// Everything known of one consultation.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Given {
    /// 咨询记录ID（如已存在）。 / Id of the consultation, when it is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub(super) consultation_id: Option<String>,
    /// 客户的用户ID。 / The customer's user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub(super) customer_id: Option<String>,
    /// 咨询类型：skin、injection、laser、body、surgery、follow_up、complaint、general；不填则按内容判断。 / Type: skin, injection, laser, body, surgery, follow_up, complaint or general; judged by the content when left out.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub(super) kind: Option<String>,
    /// 咨询日期。 / Date of the consultation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub(super) date: Option<String>,
    /// 客户的诉求，每项一个，如 色斑。 / What the customer wants treated, one each, such as 色斑.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub(super) concerns: Vec<String>,
    /// 沟通记录全文。 / Notes of the consultation, in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20_000))]
    pub(super) notes: Option<String>,
    /// 给出的建议。 / What was recommended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub(super) recommendations: Vec<String>,
    /// 咨询结果或客户的决定。 / Outcome, or what the customer decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_000))]
    pub(super) outcome: Option<String>,
    /// 后续安排。 / What happens next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub(super) next_steps: Vec<String>,
    /// 对话消息，旧的在前。 / Messages of the conversation, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub(super) messages: Vec<Said>,
    /// Everything else.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

/// One message.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Said {
    /// 发送者，如 customer 或 consultant。 / Who said it, such as customer or consultant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sender: Option<String>,
    /// 消息文本。 / What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// Everything else, such as the app's own `content`.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

impl Said {
    fn words(&self) -> Option<String> {
        self.text.clone().or_else(|| self.more.get("content").map(content::text))
    }
}

impl Given {
    /// Reads the argument: an object, an object as JSON text, or plain text that becomes the notes.
    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(Value::Object(object)) => Value::Object(object),
                _ => Value::Object(Map::from_iter([("notes".to_owned(), Value::String(text))])),
            },
            other => other,
        };
        serde_json::from_value(value).map_err(D::Error::custom)
    }

    /// The running text: notes, messages, then the text of further fields, in this order.
    pub(super) fn prose(&self) -> Vec<String> {
        let mut prose: Vec<String> = self.notes.iter().cloned().collect();
        prose.extend(self.messages.iter().filter_map(Said::words));
        self.more.values().for_each(|value| collect(value, &mut prose));
        prose.retain(|text| !text.trim().is_empty());
        prose
    }

    /// Whether there is anything to sum up; ids, type and date alone are nothing.
    pub(super) fn is_empty(&self) -> bool {
        let lists = [&self.concerns, &self.recommendations, &self.next_steps];
        let blank = |text: &String| text.trim().is_empty();
        self.prose().is_empty() && self.outcome.as_ref().is_none_or(blank) && lists.iter().all(|list| list.iter().all(blank))
    }
}

/// Every string within `value`.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Given;

    fn given(value: Value) -> Given {
        Given::read(value).unwrap()
    }

    #[test]
    fn an_object_its_text_and_plain_words_are_understood() {
        let object = given(json!({"notes": "想祛斑", "type": "skin"}));
        let text = given(json!(r#"{"notes": "想祛斑", "type": "skin"}"#));
        assert_eq!((object.notes, object.kind), (text.notes, text.kind));
        assert_eq!(given(json!("客户想祛斑")).notes.unwrap(), "客户想祛斑");
        assert_eq!(given(json!("123")).notes.unwrap(), "123");
    }

    #[test]
    fn fields_nobody_foresaw_are_read_and_kept() {
        let data = given(
            json!({"remarks": {"doctor": "对利多卡因过敏"}, "rating": 5, "messages": [{"content": {"text": "你好"}}, {"text": "再见"}]}),
        );
        assert_eq!(data.prose(), ["你好", "再见", "对利多卡因过敏"]);
        let kept = serde_json::to_value(&data).unwrap();
        assert_eq!(kept["rating"], 5);
        assert_eq!(kept["messages"][0]["content"]["text"], "你好");
    }

    #[test]
    fn ids_and_blanks_are_nothing_to_sum_up() {
        for value in [
            json!({}),
            json!(""),
            json!({"customer_id": "usr_1", "type": "skin", "date": "2026-05-20"}),
            json!({"notes": " ", "concerns": [""]}),
        ] {
            assert!(given(value.clone()).is_empty(), "{value}");
        }
        assert!(!given(json!({"concerns": ["色斑"]})).is_empty());
        assert!(!given(json!({"outcome": "已预约"})).is_empty());
    }

    #[test]
    fn another_kind_of_value_is_refused() {
        assert!(Given::read(json!(5)).is_err());
        assert!(Given::read(json!(["色斑"])).is_err());
    }
}
