//! The tools as clients see them: a snapshot of each one's JSON (its wording is its API), and each one's work on real rows.

use serde_json::{Value, json};

use crate::harness::{App, Era, GROUPS};

/// A tool's JSON, name by name, so that a change shows as a change of that tool.
#[tokio::test]
async fn snapshot_of_every_tool() {
    let app = App::start(&[]).await;
    let mut seen = 0;
    for code in GROUPS {
        let list = app.rpc(Era::Modern, &app.group_url(code), Some(&app.key(code)), "tools/list", json!({})).await.json();
        for tool in list["result"]["tools"].as_array().unwrap() {
            seen += 1;
            insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots"}, {
                insta::assert_json_snapshot!(tool["name"].as_str().unwrap(), tool);
            });
        }
    }
    assert_eq!(seen, 14);
}

/// What known clients drop or choke on (Dify: `$ref`, type lists, schemas that are `true`; Inspector --strict the same).
#[tokio::test]
async fn schemas_are_portable() {
    fn walk(value: &Value, path: &str, tool: &str) {
        match value {
            Value::Object(object) => {
                for bad in ["$ref", "$defs", "format", "oneOf", "anyOf", "allOf"] {
                    assert!(!object.contains_key(bad) || path.ends_with("properties"), "{tool}{path} holds {bad}");
                }
                if path.ends_with("properties") {
                    assert!(object.values().all(Value::is_object), "{tool}{path} holds a schema that is no object");
                } else if let Some(kind) = object.get("type") {
                    let known = ["string", "integer", "number", "boolean", "array", "object"];
                    assert!(kind.as_str().is_some_and(|kind| known.contains(&kind)), "{tool}{path}: {kind}");
                }
                object.iter().for_each(|(name, inner)| walk(inner, &format!("{path}/{name}"), tool));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, path, tool)),
            _ => {}
        }
    }
    let app = App::start(&[]).await;
    for code in GROUPS {
        let list = app.rpc(Era::Modern, &app.group_url(code), Some(&app.key(code)), "tools/list", json!({})).await.json();
        for tool in list["result"]["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            for schema in ["inputSchema", "outputSchema"] {
                assert_eq!(tool[schema]["type"], "object", "{name}");
                walk(&tool[schema], "", name);
            }
            for (property, schema) in tool["inputSchema"]["properties"].as_object().unwrap() {
                assert!(schema["type"].is_string() && schema["description"].is_string(), "{name}.{property}: {schema}");
            }
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(tool["annotations"][hint].is_boolean(), "{name}: {hint}");
            }
            assert!(tool["title"].is_string() && tool["description"].as_str().unwrap().len() > 40, "{name}");
        }
    }
}

/// Calls a tool on the small clinic of the fixtures, and checks the answer against the tool's own output schema.
async fn answer(app: &App, code: &str, tool: &str, arguments: Value) -> Value {
    let result = app.call(Era::Modern, code, tool, arguments).await;
    assert_eq!(result["isError"], false, "{tool}: {result}");
    let structured = result["structuredContent"].clone();
    let definition = app.ok_json(&["tool", "show", tool]);
    let schema = jsonschema::draft202012::new(&definition["outputSchema"]).unwrap();
    let wrong: Vec<_> = schema.iter_errors(&structured).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{tool}: {wrong:?}");
    structured
}

#[tokio::test]
async fn people_are_found_and_contact_data_is_masked_until_allowed() {
    let app = App::with_records(&[]).await;
    let profile = async |app: &App| {
        answer(app, "system_tools", "get_user_profile", json!({"user_id": "usr_zhangwei", "include_details": true})).await
    };
    let masked = profile(&app).await;
    assert_eq!(
        (&masked["username"], &masked["primary_role"], &masked["phone"]),
        (&json!("张伟"), &json!("customer"), &json!("138****8000"))
    );
    assert!(!masked["email"].as_str().unwrap().contains("zhang.wei@"), "{masked}");
    app.ok(&["tool", "set", "system_tools", "get_user_profile", "--config-data", r#"{"allow_contact":true}"#]);
    let open = profile(&app).await;
    assert_eq!((&open["phone"], &open["email"]), (&json!("13800138000"), &json!("zhang.wei@example.com")));
    for (query, id) in [
        ("张伟", "usr_zhangwei"),
        ("张", "usr_zhangwei"),
        ("伟", "usr_zhangwei"),
        ("anna", "usr_anna"),
        ("SMITH", "usr_anna"),
        ("mit", "usr_anna"),
        ("顾问", "usr_consultant1"),
        ("1390013", "usr_liuyang"),
    ] {
        let found = answer(&app, "system_tools", "search_users", json!({"query": query})).await;
        let ids: Vec<_> = found["result"].as_array().unwrap().iter().map(|hit| hit["user_id"].as_str().unwrap()).collect();
        assert!(ids.contains(&id), "{query}: {found}");
    }
    for hostile in ["\"", "*", "a OR b", "') DROP TABLE users; --", "NEAR(", "%", "_", "\u{0}x", "🌸"] {
        let found = app.call(Era::Modern, "system_tools", "search_users", json!({"query": hostile})).await;
        assert!(found["isError"] == false || found["content"][0]["text"].as_str().unwrap().contains("query"), "{hostile}: {found}");
    }
}

#[tokio::test]
async fn a_customer_is_understood_from_rows() {
    let app = App::with_records(&[]).await;
    let analysis =
        answer(&app, "consultation_tools", "analyze_customer", json!({"user_id": "usr_zhangwei", "analysis_type": "predictive"})).await;
    assert_eq!(analysis["segment_code"], "lapsed", "last visit in 2024: {analysis}");
    assert!(analysis["churn_probability"].as_f64().unwrap() > 0.5, "{analysis}");
    assert!(!analysis["drivers"].as_array().unwrap().is_empty());
    let preferences = answer(&app, "consultation_tools", "get_customer_preferences", json!({"user_id": "usr_zhangwei"})).await;
    assert!(preferences["budget_range"].as_str().unwrap().contains("12,000"), "{preferences}");
    let history =
        answer(&app, "consultation_tools", "get_consultation_history", json!({"customer_id": "usr_zhangwei", "limit": "2"})).await;
    let entries: Vec<_> = history["result"].as_array().unwrap().iter().map(|entry| entry["consultation_id"].as_str().unwrap()).collect();
    assert_eq!(entries, ["con_3", "con_2"], "newest first: {history}");
    let conversation = answer(&app, "consultation_tools", "get_conversation_data", json!({"user_id": "usr_zhangwei"})).await;
    assert_eq!(conversation["messages"].as_array().unwrap().len(), 3);
    let summary = answer(&app, "consultation_tools", "create_consultation_summary", json!({"consultation_data": {"customer_id": "usr_zhangwei", "type": "skin", "notes": "客户担心色斑，预算一万。对利多卡因过敏。下次三月复诊。"}})).await;
    assert_eq!(app.count("SELECT count(*) FROM consultation_summaries"), 1);
    assert!(summary["key_points"].as_array().unwrap().iter().any(|point| point.as_str().unwrap().contains("过敏")), "{summary}");
}

#[tokio::test]
async fn a_plan_keeps_to_budget_and_contraindications_and_waits_for_a_physician() {
    let app = App::with_records(&[]).await;
    let wish = json!({"customer_profile": {"user_id": "usr_zhangwei"}, "requirements": {"concerns": ["色斑"], "budget": 12000}});
    let plan = answer(&app, "medical_tools", "generate_treatment_plan", wish).await;
    let codes: Vec<_> =
        plan["treatments"].as_array().unwrap().iter().map(|treatment| treatment["service_code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.contains(&"photorejuvenation".into()) && !codes.contains(&"picosecond".into()), "lidocaine allergy is on record: {plan}");
    assert!(plan.to_string().contains("pending_physician_review"), "{plan}");
    assert_eq!(app.count("SELECT count(*) FROM plans WHERE status = 'pending_physician_review'"), 1);
    let id = plan["plan_id"].as_str().unwrap();
    let better = answer(&app, "medical_tools", "optimize_plan", json!({"plan_id": id, "feedback": "太贵了，预算改为5000元"})).await;
    assert!(better["feedback_summary"].is_string(), "{better}");
    let expecting = json!({"customer_profile": {"user_id": "usr_anna"}, "requirements": {"concerns": ["皱纹"]}});
    let refused = app.call(Era::Modern, "medical_tools", "generate_treatment_plan", expecting).await;
    let offered = refused["structuredContent"]["treatments"].to_string();
    assert!(!offered.contains("botox") && !offered.contains("photorejuvenation"), "pregnancy is on record: {refused}");
    assert!(refused["structuredContent"]["excluded"].to_string().contains("botox"), "and it is said what was left out: {refused}");
}

#[tokio::test]
async fn services_are_told_from_the_catalogue() {
    let app = App::with_records(&[]).await;
    let all = answer(&app, "project_tools", "get_service_info", json!({})).await;
    assert_eq!((all["services"].as_array().unwrap().len(), &all["total_categories"]), (4, &json!(3)));
    let one = answer(&app, "project_tools", "get_service_info", json!({"service_type": "光子嫩肤"})).await;
    assert!(one.to_string().contains("1,280"), "{one}");
    let none = answer(&app, "project_tools", "get_service_info", json!({"service_type": "光子嫩夫"})).await;
    assert!(!none["alternatives"].as_array().unwrap().is_empty(), "{none}");
}
