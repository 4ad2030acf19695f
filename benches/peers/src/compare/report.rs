//! All cases as one page that needs nothing else, and as one JSON document.

use super::{
    Case, Environment, MetricRuns,
    plot::{self, Line},
};
use crate::measure::{Contender, Parameters, Scenario};
use clap::ValueEnum;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { padding: .15rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
h2 { margin-top: 3rem } .invalid { color: #b00020 } small { color: #666 } figure { margin: 0 0 1rem }
";

/// The cases as a JSON document.
#[must_use]
pub fn document(environment: &Environment, cases: &[Case]) -> Value {
    json!({
        "environment": environment,
        "parties": participants(cases)
            .map(|contender| (contender.name().to_owned(), json!(contender.description())))
            .collect::<serde_json::Map<_, _>>(),
        "cases": cases.iter().map(Case::json).collect::<Vec<_>>(),
    })
}

/// Environment and cases of a document.
///
/// # Errors
/// It is none.
pub fn read_document(text: &str) -> serde_json::Result<(Environment, Vec<Case>)> {
    let Document { environment, cases } = serde_json::from_str(text)?;
    Ok((environment, cases.iter().map(Case::from_json).collect::<Result<_, _>>()?))
}

#[derive(serde::Deserialize)]
struct Document {
    environment: Environment,
    cases: Vec<Value>,
}

/// The cases as a page.
#[must_use]
pub fn page(environment: &Environment, cases: &[Case]) -> String {
    let scenarios = Scenario::value_variants()
        .iter()
        .filter(|scenario| cases.iter().any(|case| case.scenario == **scenario));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Epona beside its peers" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Epona beside its peers" }
                p {
                    "Medians of interleaved runs, least and greatest in brackets. Ratios are Epona's value divided by the "
                    "other's: above 1 is better where more is better, below 1 where less is. Plots have logarithmic axes."
                }
                (about(environment, cases))
                @for &scenario in scenarios {
                    (section(scenario, cases))
                }
            }
        }
    }
    .into_string()
}

fn participants(cases: &[Case]) -> impl Iterator<Item = Contender> {
    Contender::value_variants()
        .iter()
        .copied()
        .filter(|&contender| cases.iter().any(|case| case.has_part(contender)))
}

fn about(environment: &Environment, cases: &[Case]) -> Markup {
    html! {
        h2 { "Environment" }
        table {
            @for (name, value) in environment.facts() {
                tr { td { (name) } td { (value) } }
            }
        }
        h2 { "Parties" }
        table {
            @for contender in participants(cases) {
                tr { td { (contender.name()) } td { (contender.description()) } }
            }
        }
        @if let Some(Case { parameters: Parameters { runs, duration, warm_up, processors, .. }, .. }) = cases.first() {
            p {
                (runs) " runs of " (format!("{duration:?}")) " after " (format!("{warm_up:?}")) " of warm-up; processors "
                (format!("{processors:?}")) ". Both drivers are set to what each case says."
            }
        }
    }
}

fn section(scenario: Scenario, all: &[Case]) -> Markup {
    let cases: Vec<&Case> = all.iter().filter(|case| case.scenario == scenario).collect();
    let meaning = scenario.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
    let takes_part = |contender| cases.iter().any(|case| case.has_part(contender));
    let absent = participants(all).filter(|&contender| !takes_part(contender)).map(Contender::name);
    let absent: Vec<_> = absent.collect();
    html! {
        h2 id=(scenario) { (scenario) }
        @if let Some(meaning) = meaning { p { (meaning) } }
        @if !absent.is_empty() { p { small { "Without a part in it: " (absent.join(", ")) "." } } }
        @for svg in scaling(scenario, &cases).into_iter().flatten() {
            figure { (PreEscaped(svg)) }
        }
        @for case in cases {
            h3 { (case.title()) }
            p { small { (case.settings()) } }
            (table(case))
            @for fault in &case.faults {
                p.invalid { "invalid: " (fault) }
            }
            @if let Some(svg) = plot::percentiles(&curves(case)) {
                figure { (PreEscaped(svg)) }
            }
        }
    }
}

fn curves(case: &Case) -> Vec<(String, Vec<f64>)> {
    case.curves().map(|(contender, values)| (contender.name().to_owned(), values)).collect()
}

fn table(case: &Case) -> Markup {
    let mut contenders: Vec<Contender> = case.metrics.iter().flat_map(MetricRuns::contenders).collect();
    contenders.sort_unstable();
    contenders.dedup();
    html! {
        table {
            tr {
                th { "metric" }
                @for &contender in &contenders {
                    th.invalid[case.is_invalid(contender)] { (contender.name()) }
                }
                @for &other in contenders.iter().filter(|&&contender| contender != Contender::Epona) {
                    th { "x " (other.name()) }
                }
            }
            @for metric in &case.metrics {
                tr {
                    td { (metric.name) " " small { (metric.unit) } }
                    @for &contender in &contenders {
                        td { (cell(metric, contender)) }
                    }
                    @for &other in contenders.iter().filter(|&&contender| contender != Contender::Epona) {
                        td { @if let Some(ratio) = metric.ratio_to(other) { (format!("{ratio:.2}")) } }
                    }
                }
            }
        }
    }
}

fn cell(metric: &MetricRuns, contender: Contender) -> Markup {
    html! {
        @if let Some(spread) = metric.spread(contender) {
            (digits(spread.median)) " " small { "(" (digits(spread.min)) " to " (digits(spread.max)) ")" }
        }
    }
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// How a scenario's metrics change with the parameter that its cases vary.
fn scaling(scenario: Scenario, cases: &[&Case]) -> Vec<Option<String>> {
    match scenario {
        Scenario::Streams => {
            let lines = lines(cases, "rate", |parameters| parameters.streams as f64, |_| String::new());
            vec![plot::scaling("streams", "Mmsg/s in all", &lines)]
        }
        Scenario::UdpOpenLoop => ["p50", "p99"]
            .map(|metric| {
                let lines = lines(cases, metric, |parameters| parameters.rate as f64, |_| String::new());
                plot::scaling("messages per second", &format!("{metric}, us"), &lines)
            })
            .into(),
        Scenario::UdpThroughput | Scenario::IpcThroughput => {
            let variant = |parameters: &Parameters| match *parameters {
                Parameters { batch, .. } if batch > 1 => format!(", batches of {batch}"),
                Parameters { driver, .. } if scenario == Scenario::UdpThroughput => {
                    format!(", window {} KiB", driver.window >> 10)
                }
                _ => String::new(),
            };
            let lines = lines(cases, "bytes", |parameters| parameters.length as f64, variant);
            vec![plot::scaling("length of a message, bytes", "MB/s", &lines)]
        }
        Scenario::Loss => ["bytes", "p99"]
            .map(|metric| {
                let round_trip = |parameters: &Parameters| format!(", {:?}", parameters.round_trip);
                let lines = lines(cases, metric, |parameters| parameters.loss_percent, round_trip);
                plot::over("lost, %", if metric == "bytes" { "MB/s" } else { "p99, us" }, &lines)
            })
            .into(),
        _ => Vec::new(),
    }
}

/// A line for each party and each variant of the cases.
fn lines(
    cases: &[&Case],
    metric: &str,
    x: impl Fn(&Parameters) -> f64,
    variant: impl Fn(&Parameters) -> String,
) -> Vec<Line> {
    let mut lines = Vec::<Line>::new();
    for case in cases {
        let Some(metric) = case.metric(metric) else { continue };
        for contender in metric.contenders() {
            let Some(spread) = metric.spread(contender) else { continue };
            let name = format!("{}{}", contender.name(), variant(&case.parameters));
            let point = (x(&case.parameters), spread.median);
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name, points: vec![point] }),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_back() {
        let cases = super::super::all_cases(&Parameters::default());
        let document = document(&Environment::here(), &cases);
        let (environment, again) = read_document(&document.to_string()).unwrap();
        assert_eq!(super::document(&environment, &again), document);
        assert!(read_document("{}").is_err());
    }

    #[test]
    fn a_page_stands_alone_and_tells_of_every_case() {
        let cases = super::super::all_cases(&Parameters::default());
        let page = page(&Environment::here(), &cases);
        for scenario in Scenario::value_variants() {
            assert!(page.contains(&scenario.to_string()), "{scenario:?}");
        }
        assert!(!page.contains("src="), "nothing is loaded from elsewhere");
    }
}
