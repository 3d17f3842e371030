//! `report`: what the automation achieved, with the targets of PRD 10 beside.

use clap::Args;

use super::{exit, output};
use crate::{
    admin::calls::figures::{IndicatorView, IndicatorsView, Unit},
    app::Core,
    config::HumanDuration,
    store::figures::Share,
};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// How far back, such as 24h or 7d
    #[arg(long, default_value = "24h")]
    since: HumanDuration,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &ReportArgs, core: &Core) -> anyhow::Result<u8> {
    let report = core.calls(None).report(args.since.as_ms()).await?;
    if args.json {
        output::json(&report)?;
    } else {
        output::say(format_args!("{} … {}", report.since, report.until))?;
        output::table(&["FIGURE", "VALUE", "TARGET", "MET"], lines(&report))?;
    }
    Ok(exit::OK)
}

fn lines(report: &IndicatorsView) -> Vec<Vec<String>> {
    let plain = |figure: &str, value: String| vec![figure.into(), value, String::new(), String::new()];
    let (response, claim) = (&report.first_response, &report.claim);
    let share = |view: crate::admin::calls::agents::ShareView| output::share(Share { hits: view.hits, of: view.of });
    let mut lines = vec![plain("注册数 / registrations", report.registrations.to_string())];
    lines.extend(report.indicators.iter().map(line));
    lines.extend([
        plain(
            "响应时间 p50, p95 / time to the welcome",
            format!("{}, {}", output::length(response.p50_ms), output::length(response.p95_ms)),
        ),
        plain("按时欢迎 / welcomes by their deadline", share(report.welcome_by_deadline)),
        plain("24 小时内回复 / customer replied within 24 h", share(report.replied_24h)),
        plain(
            "认领时间 p50, p95 / working time to the claim",
            format!("{}, {}", output::length(claim.p50_ms), output::length(claim.p95_ms)),
        ),
    ]);
    lines
}

fn line(indicator: &IndicatorView) -> Vec<String> {
    let value = |value: f64| match indicator.unit {
        Unit::Share => format!("{} %", (value * 1_000.0).round() / 10.0),
        Unit::Milliseconds => output::length(Some(value.round() as i64)),
        Unit::Stars => format!("{value:.2}"),
    };
    let measured = indicator.value.map_or_else(|| "-".into(), |measured| format!("{} ({})", value(measured), indicator.of));
    let target = format!("{} {}", if indicator.at_least { "≥" } else { "≤" }, value(indicator.target));
    let met = indicator.met.map_or_else(|| "-".into(), output::yes);
    vec![format!("{} / {}", indicator.label.zh, indicator.label.en), measured, target, met]
}
