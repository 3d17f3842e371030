//! The charts of the overview: each is a table of numbers, and a script draws from it what it says.

use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;

use crate::admin::{
    calls::figures::{Range, SeriesPoint, SeriesView},
    panel::{frame::Frame, texts::Texts},
};

/// What one column of a chart is called, the custom property with its colour, and what it is at a point.
type Line = (&'static str, &'static str, fn(&SeriesPoint) -> Option<i64>);

/// Name in ids, key of the heading, unit, lines.
type Plan = (&'static str, &'static str, Measure, &'static [Line]);

/// In what a chart is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Count,
    Milliseconds,
}

impl Measure {
    /// As the script knows it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Milliseconds => "ms",
        }
    }
}

const PLANS: [Plan; 5] = [
    (
        "registrations",
        "nav-registrations",
        Measure::Count,
        &[
            ("overview-accepted", "--chart", |point| Some(point.registrations)),
            ("overview-welcomed", "--good", |point| Some(point.welcomes_by_agent + point.welcomes_by_template)),
            ("overview-given-up", "--bad", |point| Some(point.registrations_failed)),
        ],
    ),
    (
        "calls",
        "overview-calls",
        Measure::Count,
        &[("overview-all-calls", "--chart", |point| Some(point.calls)), ("overview-no-result", "--bad", |point| Some(point.calls_failed))],
    ),
    ("call-times", "overview-call-times", Measure::Milliseconds, &[("overview-p95", "--chart", |point| point.call_p95_ms)]),
    (
        "questions",
        "overview-asked",
        Measure::Count,
        &[
            ("overview-answered", "--good", |point| Some(point.agent_answers)),
            ("overview-unanswered", "--bad", |point| Some(point.agent_questions - point.agent_answers)),
        ],
    ),
    (
        "waits",
        "overview-waits",
        Measure::Milliseconds,
        &[
            ("overview-agents-p95", "--chart", |point| point.agent_p95_ms),
            ("overview-welcomes-p95", "--good", |point| point.welcome_p95_ms),
        ],
    ),
];

/// One column: what it is called, and the custom property with its colour.
struct Column {
    label: String,
    colour: &'static str,
}

/// One row: the moment at which a step began, and its numbers.
struct Row {
    at: String,
    cells: Vec<Option<i64>>,
}

/// One chart.
struct Chart {
    name: &'static str,
    heading: String,
    measure: Measure,
    columns: Vec<Column>,
    /// The latest first, as people read them.
    rows: Vec<Row>,
    /// What the chart says, for those who do not see it; nothing when there is nothing to draw.
    says: Option<String>,
}

impl Chart {
    fn of((name, heading, measure, lines): &Plan, series: &SeriesView, t: Texts) -> Self {
        let heading = t.say(heading);
        let row = |point: &SeriesPoint| Row { at: point.at.clone(), cells: lines.iter().map(|(_, _, value)| value(point)).collect() };
        Self {
            name,
            measure: *measure,
            columns: lines.iter().map(|(label, colour, _)| Column { label: t.say(label), colour }).collect(),
            rows: series.points.iter().rev().map(row).collect(),
            says: summary(lines, *measure, &series.points, t).map(|summary| t.with2("overview-chart-says", heading.as_str(), summary)),
            heading,
        }
    }
}

/// The sum of each line, or the longest of its times; nothing when no point says anything.
fn summary(lines: &[Line], measure: Measure, points: &[SeriesPoint], t: Texts) -> Option<String> {
    let said = lines.iter().filter_map(|(label, _, value)| {
        let (label, values) = (t.say(label), points.iter().filter_map(value));
        match measure {
            Measure::Count => {
                let sum: i64 = values.sum();
                Some((sum > 0, format!("{label} {sum}")))
            }
            Measure::Milliseconds => values.max().map(|most| (true, t.with2("overview-at-most", label, most))),
        }
    });
    let said: Vec<_> = said.collect();
    let anything = said.iter().any(|(says, _)| *says);
    anything.then(|| said.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(&t.say("overview-joint")))
}

/// The charts of a range.
#[derive(Template)]
#[template(path = "overview_charts.html")]
pub(super) struct Charts<'a> {
    frame: &'a Frame,
    range: Range,
    mark: String,
    all: Vec<Chart>,
}

impl<'a> Charts<'a> {
    /// What a series says.
    pub(super) fn of(frame: &'a Frame, series: &SeriesView) -> Self {
        let all = PLANS.iter().map(|plan| Chart::of(plan, series, frame.t)).collect();
        Self { frame, range: series.range, mark: mark(series), all }
    }

    fn number(number: Option<&i64>) -> String {
        number.map_or_else(|| "—".to_owned(), ToString::to_string)
    }
}

/// Tells one state of a series from another: charts are drawn anew when it is another one.
pub(super) fn mark(series: &SeriesView) -> String {
    let mut hasher = DefaultHasher::new();
    series.points.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Language;

    fn point(calls: i64, call_p95_ms: Option<i64>) -> SeriesPoint {
        SeriesPoint {
            at: "2026-11-26T00:00:00.000Z".into(),
            registrations: 0,
            welcomes_by_agent: 0,
            welcomes_by_template: 0,
            registrations_failed: 0,
            calls,
            calls_failed: 0,
            call_p95_ms,
            agent_questions: 0,
            agent_answers: 0,
            agent_p95_ms: None,
            welcome_p95_ms: None,
        }
    }

    fn series(points: Vec<SeriesPoint>) -> SeriesView {
        SeriesView { range: Range::Hour, since: String::new(), until: String::new(), step_seconds: 60, points }
    }

    fn says(points: Vec<SeriesPoint>) -> Vec<Option<String>> {
        let series = series(points);
        PLANS.iter().map(|plan| Chart::of(plan, &series, Texts(Language::En)).says).collect()
    }

    #[test]
    fn a_chart_says_what_it_shows_and_nothing_when_there_is_nothing() {
        let said = says(vec![point(2, Some(5)), point(0, None), point(3, Some(4))]);
        assert!(said[1].as_ref().is_some_and(|text| text.contains("All 5") && text.contains("Without a result 0")), "{said:?}");
        assert!(said[2].as_ref().is_some_and(|text| text.contains("up to 5.")), "{said:?}");
        assert!(said[0].is_none() && said[3].is_none() && said[4].is_none(), "{said:?}");
        assert!(says(Vec::new()).iter().all(Option::is_none));
        assert!(says(vec![point(1, Some(0))])[2].is_some(), "a call that took no time was made");
    }

    #[test]
    fn a_mark_differs_when_a_number_does() {
        let of = |calls| mark(&series(vec![point(calls, None)]));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_row_holds_what_its_columns_say() {
        let one = SeriesPoint {
            registrations: 9,
            welcomes_by_agent: 5,
            welcomes_by_template: 2,
            registrations_failed: 1,
            agent_questions: 8,
            agent_answers: 6,
            welcome_p95_ms: Some(4),
            ..point(0, None)
        };
        let series = series(vec![point(7, Some(3)), one]);
        let cells: Vec<_> = PLANS.iter().map(|plan| Chart::of(plan, &series, Texts(Language::ZhCn)).rows.remove(0).cells).collect();
        assert_eq!(
            cells,
            [vec![Some(9), Some(7), Some(1)], vec![Some(0), Some(0)], vec![None], vec![Some(6), Some(2)], vec![None, Some(4)]],
            "the latest first"
        );
    }
}
