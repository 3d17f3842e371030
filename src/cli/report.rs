//! `report`: what the automation achieved, with the targets of PRD 10 beside.

use clap::Args;

use super::{exit, output};
use crate::{
    app::Core,
    config::HumanDuration,
    registration::hours::Hours,
    store::{figures::Share, outcomes::Outcomes},
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
    let now = core.clock.now_ms();
    let hours = Hours::try_from(&core.settings.current()?.working_hours)?;
    let outcomes = core.store.outcomes(now - args.since.as_ms(), now, move |from, to| hours.working_ms_between(from, to)).await?;
    if args.json {
        output::json(&outcomes)?;
    } else {
        output::say(format_args!("{} … {}", output::moment(Some(outcomes.since)), output::moment(Some(outcomes.until))))?;
        output::table(&["FIGURE", "VALUE", "TARGET", "MET"], lines(&outcomes).into_iter().map(Line::row))?;
    }
    Ok(exit::OK)
}

struct Line {
    figure: &'static str,
    value: String,
    target: &'static str,
    met: Option<bool>,
}

impl Line {
    fn plain(figure: &'static str, value: String) -> Self {
        Self { figure, value, target: "", met: None }
    }

    fn share(figure: &'static str, share: Share, target: &'static str, least: f64) -> Self {
        Self { figure, value: output::share(share), target, met: share.value().map(|value| value >= least) }
    }

    fn row(self) -> Vec<String> {
        let met = self.met.map_or_else(|| "-".into(), output::yes);
        vec![self.figure.into(), self.value, self.target.into(), if self.target.is_empty() { String::new() } else { met }]
    }
}

fn lines(outcomes: &Outcomes) -> Vec<Line> {
    let (response, claim) = (&outcomes.first_response, &outcomes.claim);
    let (mean, ratings) = (response.mean.map(|mean| mean.round() as i64), outcomes.ratings);
    vec![
        Line::plain("注册数 / registrations", outcomes.registrations.to_string()),
        Line::share("自动化成功率 / runs with a welcome", outcomes.automation_success, "≥ 99 %", 0.99),
        Line::share("智能体调用成功率 / runs with an agent's answer", outcomes.agent_success, "≥ 95 %", 0.95),
        Line {
            figure: "平均响应时间 / mean time to the welcome",
            value: output::length(mean),
            target: "≤ 3 s",
            met: mean.map(|ms| ms <= 3_000),
        },
        Line::plain(
            "响应时间 p50, p95 / time to the welcome",
            format!("{}, {}", output::length(response.p50), output::length(response.p95)),
        ),
        Line::plain("按时欢迎 / welcomes by their deadline", output::share(outcomes.welcome_by_deadline)),
        Line::share("首次响应 ≤ 5 分钟 / first response within 5 min", outcomes.responded_in_time, "100 %", 1.0),
        Line::plain("24 小时内回复 / customer replied within 24 h", output::share(outcomes.replied_24h)),
        Line::share("7 日内首次对话 / first conversation within 7 days", outcomes.conversed_7d, "≥ 80 %", 0.8),
        Line::plain(
            "认领时间 p50, p95 / working time to the claim",
            format!("{}, {}", output::length(claim.p50), output::length(claim.p95)),
        ),
        Line::share("10 分钟内认领 / claimed within 10 min", outcomes.claimed_in_time, "100 %", 1.0),
        Line {
            figure: "满意度 / rating",
            value: ratings.mean.map_or_else(|| "-".into(), |mean| format!("{mean:.2} ({})", ratings.count)),
            target: "≥ 4.5",
            met: ratings.mean.map(|mean| mean >= 4.5),
        },
    ]
}
