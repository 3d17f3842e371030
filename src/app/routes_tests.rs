//! Who may ask what of the MCP listener is written down in tests/it/mcp_routes.txt, for every path there is: a path without a
//! line fails here, and so does a line without a path. That each answers as its line says, tests/it/groups.rs holds.

use std::{collections::BTreeSet, fmt::Debug};

use crate::{
    mcp::{self, Product},
    oauth,
};

const TABLE: &str = include_str!("../../tests/it/mcp_routes.txt");

/// Every path of a router, which tells nobody but by its debug output.
fn paths(router: &impl Debug) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let routes = text.split("fallback_router: ").next().unwrap();
    let (_, paths) = routes.split_once("node: Node { paths: ").unwrap();
    paths.split("RouteId(").skip(1).map(|part| part.split('"').nth(1).unwrap().to_owned()).collect()
}

/// The paths of the lines of some kinds.
fn listed(kinds: &[&str]) -> BTreeSet<String> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| kinds.contains(&words[2])).map(|words| words[1].to_owned()).collect()
}

#[test]
fn every_path_of_the_mcp_listener_is_in_the_table_of_who_may_ask_it_and_nothing_else_is() {
    let (endpoint, server) = (paths(&mcp::routes::<Product>()), paths(&oauth::routes()));
    assert!(endpoint.contains("/mcp") && server.contains("/oauth/token"), "{endpoint:?} {server:?}");
    assert_eq!(endpoint, listed(&["gated"]), "whatever the endpoint answers is behind the gate");
    assert_eq!(server, listed(&["form", "open"]), "the authorization server is in front of it");
    assert_eq!(TABLE.lines().filter(|line| !line.starts_with('#')).count(), endpoint.len() + server.len(), "no line is of another kind");
}
