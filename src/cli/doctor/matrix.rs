//! `doctor --matrix`: every key × group × method × transport on the running daemon.
//!
//! What should come is read from the database; what does come is asked from outside, as any client would. A cell is a leak
//! when a door that should be shut was open, or a tool was shown or reached that is not the group's own. Every tool of this
//! program is called, offered by anybody or not. What could not be tried is told as such, and nothing is called right then.

mod cells;
mod grid;
mod outcome;

use std::collections::BTreeMap;

use serde::Serialize;

use self::{
    cells::{Holder, Plan, Target},
    outcome::{NotTried, Outcome},
};
use super::{DoctorArgs, Office, probe::Came};
use crate::{
    cli::{Fault, exit, key},
    secret::SecretText,
};

/// How a key is carried to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Transport {
    /// 2026-07-28, without a handshake.
    #[serde(rename = "http 2026-07-28")]
    Modern,
    /// 2025-11-25, after `initialize`.
    #[serde(rename = "http 2025-11-25 handshake")]
    Handshake,
    /// 2025-11-25, each request alone.
    #[serde(rename = "http 2025-11-25 stateless")]
    Stateless,
    /// HTTP+SSE of 2024-11-05.
    #[serde(rename = "sse 2024-11-05")]
    Sse,
    /// A process of our own, given the key in its environment.
    #[serde(rename = "stdio 2025-11-25")]
    Stdio,
}

impl Transport {
    pub(super) const ALL: [Self; 5] = [Self::Modern, Self::Handshake, Self::Stateless, Self::Sse, Self::Stdio];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Modern => "http 2026-07-28",
            Self::Handshake => "http 2025-11-25 handshake",
            Self::Stateless => "http 2025-11-25 stateless",
            Self::Sse => "sse 2024-11-05",
            Self::Stdio => "stdio 2025-11-25",
        }
    }
}

/// How a cell is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Right,
    /// The transport is switched off here.
    Off,
    /// A limit stayed full: nothing can be said.
    Limited,
    /// Neither served nor refused as it should be, and nobody saw what is not theirs.
    Broken,
    /// Somebody saw or reached what is not theirs.
    Leak,
}

/// One question and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cell {
    pub(super) key: String,
    pub(super) target: String,
    pub(super) transport: Transport,
    pub(super) method: String,
    pub(super) expected: &'static str,
    pub(super) came: String,
    pub(super) verdict: Verdict,
}

pub(super) async fn run(args: &DoctorArgs, office: &Office) -> anyhow::Result<u8> {
    let root = match (&args.url, office.core.dir.read_run_file()) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(running)) => running.mcp,
        (None, None) => {
            let text = "no daemon works on this data directory; start `anmei-mcp serve`, or say where it is with --url";
            return Err(Fault::new(exit::FAILURE, text).into());
        }
    };
    let Holders { all: holders, tried, not_tried } = holders(office).await?;
    let targets = targets(office)?;
    let tools: Vec<String> = office.core.dispatch.catalogue().known().iter().map(|known| known.tool.name().to_owned()).collect();
    let mut cells = Vec::new();
    for transport in Transport::ALL {
        for holder in &holders {
            for target in targets.iter().filter(|target| transport != Transport::Stdio || target.code.is_some()) {
                let plan = Plan { office, root: &root, transport, holder, target, targets: &targets, tools: &tools };
                cells.extend(plan.carry_out().await?);
            }
        }
    }
    let outcome = Outcome { root, cells, tried, not_tried };
    outcome.show(args.json)?;
    Ok(if outcome.is_sound() { exit::OK } else { exit::FAILURE })
}

/// Who asks, and who cannot.
struct Holders {
    all: Vec<Holder>,
    /// Keys in force among them.
    tried: usize,
    not_tried: Vec<NotTried>,
}

/// Every key that can be shown, and two that open nothing.
async fn holders(office: &Office) -> anyhow::Result<Holders> {
    let core = &office.core;
    let now = core.clock.now_ms();
    let codes: BTreeMap<String, String> =
        core.gate.policy().current()?.groups().iter().map(|group| (group.group.id.clone(), group.group.server_code.clone())).collect();
    let strangers = vec![Holder::nobody(), Holder::stranger(SecretText::new(format!("mcp_key_{}", "A".repeat(43))))];
    let mut found = Holders { all: strangers, tried: 0, not_tried: Vec::new() };
    for row in core.store.policy()?.keys {
        let Some(code) = codes.get(&row.group_id) else { continue };
        let label = format!("{code}/{} …{}", row.name, row.hint);
        let in_force = key::open::is_in_force(&row, now);
        match key::open::open(core, (code, &row), "doctor --matrix").await {
            Ok(text) => {
                found.all.push(Holder::of_key(label, code.clone(), text, in_force));
                found.tried += usize::from(in_force);
            }
            Err(error) => found.not_tried.push(NotTried { key: label, why: error.to_string(), in_force }),
        }
    }
    Ok(found)
}

/// Every URL, and every group by its code for stdio.
fn targets(office: &Office) -> anyhow::Result<Vec<Target>> {
    let core = &office.core;
    let policy = core.gate.policy().current()?;
    let mut targets = vec![Target::root()];
    for group in policy.groups() {
        let code = group.group.server_code.clone();
        // A group that is switched off offers nothing to anybody.
        let offers = core.gate.admit_local(&code).ok().map(|caller| core.dispatch.catalogue().offers(&caller));
        let tools = offers.map(|offers| offers.iter().map(|offer| offer.known.tool.name().to_owned()).collect());
        targets.push(Target { code: Some(code), enabled: group.group.enabled, tools: tools.unwrap_or_default() });
    }
    Ok(targets)
}

/// What came, for people.
fn told(came: &Came) -> String {
    match came {
        Came::Listed(names) => format!("a list of {}: {}", names.len(), names.join(", ")),
        Came::Reached => "the tool was reached".into(),
        Came::NotOffered => "the tool is not offered".into(),
        Came::Answered => "an answer".into(),
        Came::Refused(status) => format!("refused, {status}"),
        Came::Limited => "a limit is full".into(),
        Came::Ended(why) | Came::Broken(why) => why.clone(),
    }
}
