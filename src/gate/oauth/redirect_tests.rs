use proptest::prelude::*;

use super::*;

fn rules() -> RedirectRules {
    RedirectRules { app_schemes: vec!["cursor".into()], http_hosts: vec!["dify.lan".into()] }
}

#[test]
fn rfc8252_7_https_loopback_and_known_apps_may_be_registered() {
    for good in [
        "https://claude.ai/api/mcp/auth_callback",
        "https://dify.clinic.cn:8443/console/api/mcp/oauth/callback?x=1",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]:9/cb",
        "http://localhost:3000/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "http://dify.lan/console/api/mcp/oauth/callback",
        "http://dify.lan:5001/cb",
    ] {
        assert_eq!(acceptable(good, &rules()), Ok(()), "{good}");
    }
}

#[test]
fn rfc9700_2_1_what_may_not_be_registered() {
    let cases = [
        ("", BadRedirect::Text),
        ("/callback", BadRedirect::NotAbsolute),
        ("callback", BadRedirect::NotAbsolute),
        ("https://a.b/cb#", BadRedirect::Fragment),
        ("https://a.b/cb#x", BadRedirect::Fragment),
        ("https://user@a.b/cb", BadRedirect::UserInfo),
        ("https://u:p@a.b/cb", BadRedirect::UserInfo),
        ("https://*.a.b/cb", BadRedirect::Host),
        ("https:a.b/cb", BadRedirect::Host),
        ("https:/a.b/cb", BadRedirect::Host),
        ("http://a.b/cb", BadRedirect::PlainHttp),
        ("http://127.0.0.1.evil.example/cb", BadRedirect::PlainHttp),
        ("http://localhost.evil.example/cb", BadRedirect::PlainHttp),
        ("http://127.0.0.2/cb", BadRedirect::PlainHttp),
        ("http://127.1/cb", BadRedirect::PlainHttp),
        ("http://10.0.0.1/cb", BadRedirect::PlainHttp),
        ("javascript:alert(1)", BadRedirect::Scheme),
        ("JavaScript:alert(1)", BadRedirect::Scheme),
        ("data:text/html,x", BadRedirect::Scheme),
        ("file:///etc/passwd", BadRedirect::Scheme),
        ("vscode://x/y", BadRedirect::Scheme),
        ("https://a.b/c d", BadRedirect::Text),
        ("https://a.b/c\nd", BadRedirect::Text),
        ("https:\\\\a.b\\cb", BadRedirect::Text),
        ("https://é.example/cb", BadRedirect::Text),
    ];
    for (bad, why) in cases {
        assert_eq!(acceptable(bad, &rules()), Err(why), "{bad}");
    }
    assert_eq!(acceptable(&format!("https://a.b/{}", "x".repeat(2048)), &rules()), Err(BadRedirect::Text));
    let careless = RedirectRules { app_schemes: vec!["javascript".into(), "data".into(), "file".into()], http_hosts: Vec::new() };
    for bad in ["javascript:alert(1)", "data:text/html,x", "file:///x"] {
        assert_eq!(acceptable(bad, &careless), Err(BadRedirect::Scheme), "{bad}");
    }
}

#[test]
fn rfc9700_2_1_a_request_names_the_same_text_or_another_loopback_port() {
    for (registered, asked) in [
        ("https://a.b/cb", "https://a.b/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb?x=1", "http://[::1]:80/cb?x=1"),
        ("http://localhost/callback", "http://localhost:50123/callback"),
        ("cursor://a/b", "cursor://a/b"),
    ] {
        assert!(matches(registered, asked), "{registered} {asked}");
    }
    for (registered, asked) in [
        ("https://a.b/cb", "https://a.b/cb/"),
        ("https://a.b/cb", "https://a.b/CB"),
        ("https://a.b/cb", "https://A.b/cb"),
        ("https://a.b/cb", "https://a.b:443/cb"),
        ("https://a.b/cb", "https://a.b:444/cb"),
        ("https://a.b/cb", "https://a.b/cb?x=1"),
        ("https://a.b/cb", "https://a.b/cb/../x"),
        ("https://a.b/cb", "http://a.b/cb"),
        ("https://a.b/cb", "https://a.b.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://localhost/cb"),
        ("http://127.0.0.1/cb", "http://[::1]/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb2"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1.evil.example/cb"),
        ("http://127.0.0.1", "http://127.0.0.1evil.example"),
        ("cursor://a/b", "cursor://a:1/b"),
    ] {
        assert!(!matches(registered, asked), "{registered} {asked}");
    }
}

#[test]
fn people_are_shown_where_the_answer_goes() {
    assert_eq!(shown("https://claude.ai/api/x"), "claude.ai");
    assert_eq!(shown("http://localhost:3000/cb"), "http://localhost:3000");
    assert_eq!(shown("cursor://anysphere.cursor-mcp/x"), "cursor://anysphere.cursor-mcp");
}

fn uri() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("127.0.0.1"),
        Just("[::1]"),
        Just("localhost"),
        Just("a.example"),
        Just("127.0.0.1.a.example"),
        Just("127.0.0.11")
    ];
    let scheme = prop_oneof![Just("http"), Just("https"), Just("cursor"), Just("javascript")];
    (scheme, host, proptest::option::of(0u32..70_000), "[/?@:a-c.%#]{0,8}").prop_map(|(scheme, host, port, tail)| {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}{tail}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever matches is the same text, or two loopback URIs that a real parser finds equal but for the port.
    #[test]
    fn rfc8252_7_3_a_match_differs_in_nothing_but_the_port(registered in uri(), asked in uri()) {
        if matches(&registered, &asked) && registered != asked {
            let (mut left, mut right) = (Url::parse(&registered).unwrap(), Url::parse(&asked).unwrap());
            prop_assert_eq!(left.scheme(), "http");
            prop_assert!(["127.0.0.1", "[::1]", "localhost"].contains(&left.host_str().unwrap()));
            left.set_port(Some(1)).unwrap();
            right.set_port(Some(1)).unwrap();
            prop_assert_eq!(left, right);
        }
    }

    /// Matching is symmetric, and what matches an acceptable URI is acceptable itself.
    #[test]
    fn a_match_of_something_acceptable_is_acceptable(registered in uri(), asked in uri()) {
        prop_assert_eq!(matches(&registered, &asked), matches(&asked, &registered));
        prop_assert!(matches(&registered, &registered));
        if acceptable(&registered, &rules()).is_ok() && matches(&registered, &asked) {
            prop_assert_eq!(acceptable(&asked, &rules()), Ok(()));
        }
    }

    /// No text at all makes it panic, and nothing with a fragment, a user or another scheme gets through.
    #[test]
    fn any_text_is_judged(text in "\\PC{0,64}") {
        if acceptable(&text, &RedirectRules::default()).is_ok() {
            let url = Url::parse(&text).unwrap();
            prop_assert!(url.fragment().is_none() && url.username().is_empty());
            prop_assert!(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&text)));
        }
    }
}
