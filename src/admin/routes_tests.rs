//! Who may ask what is written down in tests/it/admin_routes.txt, for every route there is: a route without a line fails
//! here, and so does a line without a route. That each answers as its line says, tests/it/admin_routes.rs holds.

use std::collections::{BTreeMap, BTreeSet};

use super::{api, compat, skins};

const TABLE: &str = include_str!("../../tests/it/admin_routes.txt");

/// Every route as the router holds it, which tells nobody but by its debug output.
fn registered() -> BTreeSet<String> {
    let text = format!("{:?}", skins(api::router(), compat::router()));
    let text = text.split("fallback_router: ").next().unwrap();
    let (endpoints, paths) = text.split_once("node: Node { paths: ").unwrap();
    let numbered = |text: &'static str, of: &str| -> BTreeMap<String, String> {
        let parts = of.split("RouteId(").skip(1).map(|part| part.split_once("): ").unwrap());
        parts
            .map(|(id, rest)| (id.to_owned(), rest.split_once(text).map_or("", |(_, rest)| rest.split('"').next().unwrap()).to_owned()))
            .collect()
    };
    // Behind `any` there is no list of methods.
    let methods = numbered("allow_header: Bytes(b\"", endpoints);
    let paths = numbered("\"", paths);
    assert_eq!(methods.len(), paths.len());
    let mut routes = BTreeSet::new();
    for (id, path) in &paths {
        let methods =
            methods[id].split(',').filter(|method| *method != "HEAD").map(|method| if method.is_empty() { "ANY" } else { method });
        routes.extend(methods.map(|method| format!("{method} {path}")));
    }
    routes
}

#[test]
fn every_route_is_in_the_table_of_who_may_ask_it_and_nothing_else_is() {
    let routes = registered();
    assert!(routes.len() > 200 && routes.contains("PATCH /api/v1/settings") && routes.contains("ANY /panel/{*rest}"), "{routes:?}");
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed: BTreeSet<String> = lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    let unlisted: Vec<_> = routes.difference(&listed).collect();
    assert!(unlisted.is_empty(), "routes without a line (write `?` for what is not known, tests/it says what it finds): {unlisted:#?}");
    let gone: Vec<_> = listed.difference(&routes).collect();
    assert!(gone.is_empty(), "lines without a route: {gone:#?}");
}
