//! Reports as pictures: SVG, which browsers and documents show, and text, so that it can be compared.
//!
//! Reports of one label are repeats of each other and one line: their histograms are added, and of their rates the medians
//! are drawn. It is written here because it needs no more than lines, axes and texts: of the crates for plots, the common one
//! (plotters) has had no release for two years and draws texts without knowing their width, as we do.
//!
//! There is no PNG: what makes one of SVG with texts (resvg) brings 36 crates that nothing else here needs, and a font,
//! which the machines that measure seldom have. Browsers and `rsvg-convert` make one of what is written here.

mod axis;
mod chart;
mod series;
mod svg;

use super::report::Report;
use chart::Chart;
use svg::Svg;

/// Width of a picture.
const WIDTH: f64 = 960.0;
/// Height of each chart, with its texts.
const HEIGHT: f64 = 400.0;

/// What can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Latency by percentile, as HdrHistogram's plots have it.
    Percentiles,
    /// Answers a second and p99, by the rate that was asked for.
    Rates,
    /// Answers and p99 of each second.
    Timeline,
}

/// Draws charts of these kinds, one below the other; without any, those that the reports have something for. The title
/// stands above all. `None` if there is nothing to draw.
pub fn plot(reports: &[Report], kinds: &[Kind], title: &str) -> Option<String> {
    let stepped = reports.iter().any(|report| report.steps.len() > 1);
    let wanted = |kind| match kinds {
        [] => match kind {
            Kind::Percentiles => true,
            Kind::Rates => stepped,
            Kind::Timeline => !stepped,
        },
        kinds => kinds.contains(&kind),
    };
    let groups = series::groups(reports);
    let mut charts: Vec<Chart> = Vec::new();
    if wanted(Kind::Percentiles) {
        charts.extend(series::percentiles(&groups));
    }
    if wanted(Kind::Rates) {
        charts.extend(series::rates(&groups));
    }
    if wanted(Kind::Timeline) {
        charts.extend(series::timeline(&groups));
    }
    charts.retain(|chart| !chart.is_empty());
    if charts.is_empty() {
        return None;
    }
    let title_height = if title.is_empty() { 8.0 } else { 44.0 };
    let mut svg = Svg::new(WIDTH, title_height + HEIGHT * charts.len() as f64, title);
    if !title.is_empty() {
        svg.text((WIDTH / 2.0, 30.0), title, "title");
    }
    for (index, chart) in charts.iter().enumerate() {
        chart.draw(&mut svg, title_height + HEIGHT * index as f64, WIDTH, HEIGHT);
    }
    Some(svg.finish())
}

#[cfg(test)]
mod tests;
