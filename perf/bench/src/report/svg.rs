//! The headline figures as bars: one panel for each workload, each with its own scale.

use std::fmt::Write;

use super::short;
use crate::server::Kind;
use crate::summary::{Rows, Spread, Summary};

const PANEL_WIDTH: usize = 440;
const COLUMNS: usize = 2;
const ROW: usize = 22;
const HEAD: usize = 46;
const GAP: usize = 14;
/// Where bars begin within a panel, and how long the longest is.
const BAR_LEFT: usize = 100;
const BAR_MAX: f64 = 190.0;
const BAR_HEIGHT: usize = 14;

/// Colours in the middle of the scale, legible on white and on black; no background.
const STYLE: &str = "\
<style>
text { font: 12px system-ui, sans-serif; fill: #7a828c; }
.title { font-weight: 600; font-size: 13px; }
.bar { fill: #8b98a8; }
.base { fill: #b08d57; }
.own { fill: #3b82c4; }
.range { stroke: #7a828c; stroke-width: 1.5; fill: none; }
</style>
";

/// One bar.
struct Bar<'s> {
    label: &'s str,
    value: Spread,
    ratio: Option<Spread>,
}

/// Draws `summaries`. Bars of the baseline have a colour of their own, and so has what is no known peer.
pub(super) fn plot(summaries: &[Summary], baseline: &str) -> String {
    let rows = summaries.iter().map(|summary| bars(summary).len()).max().unwrap_or(0);
    let panel_height = HEAD + rows * ROW + GAP;
    let width = PANEL_WIDTH * COLUMNS;
    let height = panel_height * summaries.len().div_ceil(COLUMNS);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>Bench: medians, with least and greatest</title>\n{STYLE}"
    );
    for (at, summary) in summaries.iter().enumerate() {
        let (x, y) = (at % COLUMNS * PANEL_WIDTH, at / COLUMNS * panel_height);
        panel(&mut out, summary, baseline, x, y);
    }
    out.push_str("</svg>\n");
    out
}

fn bars(summary: &Summary) -> Vec<Bar<'_>> {
    match &summary.rows {
        Rows::Load(rows) => rows
            .iter()
            .map(|row| Bar { label: &row.label, value: row.requests_per_cpu_second, ratio: row.ratio })
            .collect(),
        Rows::Idle(rows) => rows
            .iter()
            .map(|row| Bar { label: &row.label, value: row.user_bytes, ratio: row.ratio })
            .collect(),
    }
}

fn panel(out: &mut String, summary: &Summary, baseline: &str, x: usize, y: usize) {
    let unit = match summary.rows {
        Rows::Load(_) => "requests per CPU-second, more is better",
        Rows::Idle(_) => "bytes of user memory each, less is better",
    };
    let bars = bars(summary);
    let most = bars.iter().map(|bar| bar.value.max).fold(f64::MIN_POSITIVE, f64::max);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "<g transform=\"translate({x} {y})\">\n<text class=\"title\" x=\"8\" y=\"18\">{}</text>\n\
         <text x=\"8\" y=\"35\">{unit}</text>",
        escape(summary.title)
    );
    for (at, bar) in bars.iter().enumerate() {
        let class = match bar.label {
            label if label == baseline => "bar base",
            label if Kind::PEERS.iter().any(|kind| kind.name() == label) => "bar",
            _ => "bar own",
        };
        draw(out, bar, class, most, HEAD + at * ROW);
    }
    out.push_str("</g>\n");
}

fn draw(out: &mut String, bar: &Bar<'_>, class: &str, most: f64, top: usize) {
    let scale = |value: f64| value / most * BAR_MAX;
    let (middle, text) = (top + BAR_HEIGHT / 2, top + BAR_HEIGHT - 3);
    let left = BAR_LEFT as f64;
    let ratio = bar.ratio.map_or(String::new(), |ratio| format!(" (x {:.2})", ratio.median));
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
         <rect class=\"{class}\" x=\"{BAR_LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\"/>\n\
         <path class=\"range\" d=\"M{:.1} {middle}H{:.1}\"/>\n\
         <text x=\"{:.1}\" y=\"{text}\">{}{ratio}</text>",
        BAR_LEFT - 8,
        escape(bar.label),
        scale(bar.value.median),
        left + scale(bar.value.min),
        left + scale(bar.value.max),
        left + scale(bar.value.max) + 8.0,
        short(bar.value.median),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;
    use crate::summary::summaries;

    #[test]
    fn every_bar_is_drawn() {
        let results = example();
        let text = plot(&summaries(&results), &results.baseline);
        assert_eq!(text.matches("<rect").count(), 5);
        assert_eq!(text.matches("bar base").count(), 2);
        assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());
        assert!(text.contains("a&lt;b") && !text.contains("a<b"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
        assert!(text.contains("500 (x 2.50)"), "{text}");
    }
}
