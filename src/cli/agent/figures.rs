//! `agent figures`: agents beside each other, over the runs they were chosen for.

use clap::Args;
use serde_json::json;

use super::super::output;
use crate::{
    app::Core,
    config::HumanDuration,
    store::{
        figures::Share,
        variants::{Rungs, VariantFigures},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct FiguresArgs {
    /// How far back, such as 24h or 7d
    #[arg(long, default_value = "7d")]
    since: HumanDuration,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn figures(core: &Core, args: &FiguresArgs) -> anyhow::Result<()> {
    let now = core.clock.now_ms();
    let figures = core.store.variant_figures(now - args.since.as_ms(), now).await?;
    if args.json {
        return output::json(&json!(figures));
    }
    let headings =
        ["AGENT", "RUNS", "SUCCESS", "OWN WELCOMES", "FALLBACKS", "P50", "P95", "TOKENS", "COST", "REPLIED 24H", "CLAIM P50", "RATING"];
    output::table(&headings, figures.iter().map(row))
}

fn row(figure: &VariantFigures) -> Vec<String> {
    let Rungs { agent, fallback_agent, segment, r#static } = figure.rungs;
    let of = agent + fallback_agent + segment + r#static;
    let costs: Vec<_> = figure.costs.iter().map(|cost| format!("{} {}", cost.sum, cost.currency).trim().to_owned()).collect();
    vec![
        figure.agent.clone().unwrap_or_else(|| format!("({})", figure.agent_id)),
        figure.runs.to_string(),
        output::share(figure.success),
        output::share(Share { hits: agent, of }),
        format!("agent {fallback_agent}, segment {segment}, static {}", r#static),
        output::length(figure.latency.p50),
        output::length(figure.latency.p95),
        figure.tokens.to_string(),
        if costs.is_empty() { "-".into() } else { costs.join(", ") },
        output::share(figure.replied_24h),
        output::length(figure.claim.p50),
        figure.ratings.mean.map_or_else(|| "-".into(), |mean| format!("{mean:.2} ({})", figure.ratings.count)),
    ]
}
