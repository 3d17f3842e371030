use anmei_mcp_tools::{
    Records,
    port::{NewPlan, NewSummary, RecordsError},
};
use serde_json::json;

use super::Confined;
use crate::store::{Store, import::Records as Imported};

const PLACEHOLDER: () = ();
