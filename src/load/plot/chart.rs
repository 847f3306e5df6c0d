//! One chart: two axes, lines, and a legend.

use super::axis::{Axis, Scale, Unit};
use super::svg::Svg;

/// Colours that people with any kind of sight tell apart (Okabe and Ito, "Color Universal Design", 2008), the darkest
/// first; the eighth, a light yellow, cannot be seen on white.
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
/// Room for texts around a chart: above, right, below, left.
const MARGINS: [f64; 4] = [44.0, 210.0, 52.0, 84.0];
/// Between lines of the legend.
const LEGEND_STEP: f64 = 20.0;
/// Characters of a line of the legend.
const LEGEND_TEXT: usize = 26;

/// A line of a chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// What the legend says; lines without a text are not in it.
    pub(super) name: String,
    /// Which colour and mark.
    pub(super) look: usize,
    /// The points, by x.
    pub(super) points: Vec<(f64, f64)>,
    /// From the smallest to the largest y of each x, where there are several.
    pub(super) bars: Vec<(f64, f64, f64)>,
    /// Whether points have marks.
    pub(super) marked: bool,
}

/// An axis that is yet to be fitted to the values.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// What it says.
    pub(super) name: &'static str,
    /// How values lie on it.
    pub(super) scale: Scale,
    /// What they are.
    pub(super) unit: Unit,
}

/// A chart.
pub(super) struct Chart {
    /// What stands above it.
    pub(super) title: String,
    /// From left to right.
    pub(super) x: Plan,
    /// From below to above.
    pub(super) y: Plan,
    /// The lines.
    pub(super) series: Vec<Series>,
    /// Whether there is a line at y = x, which is the best there can be.
    pub(super) ideal: bool,
}

impl Chart {
    /// Whether there is nothing to see.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// Draws it into a picture, in all its width, from `top` on.
    pub(super) fn draw(&self, svg: &mut Svg, top: f64, width: f64, height: f64) {
        let [above, right, below, left] = MARGINS;
        let (from, to) = ((left, top + above), (width - right, top + height - below));
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bars = self.series.iter().flat_map(|series| &series.bars).flat_map(|(_, low, high)| [*low, *high]);
        // The line of the best must fit, or it would be bent.
        let best = points().map(|(x, _)| *x).filter(|_| self.ideal);
        let x = Axis::new(self.x.name, self.x.scale, self.x.unit, points().map(|(x, _)| *x));
        let y = Axis::new(self.y.name, self.y.scale, self.y.unit, points().map(|(_, y)| *y).chain(bars).chain(best));
        let across = |share: f64| from.0 + share * (to.0 - from.0);
        let up = |share: f64| to.1 - share * (to.1 - from.1);

        svg.text((from.0, from.1 - 14.0), &self.title, "chart");
        for tick in y.ticks() {
            let at = up(tick.at);
            let class = if tick.text.is_some() { "class=\"grid\"" } else { "class=\"minor\"" };
            svg.line((from.0, at), (to.0, at), class);
            if let Some(text) = tick.text {
                svg.text((from.0 - 8.0, at + 4.0), &text, "y");
            }
        }
        for tick in x.ticks() {
            let at = across(tick.at);
            let class = if tick.text.is_some() { "class=\"grid\"" } else { "class=\"minor\"" };
            svg.line((at, from.1), (at, to.1), class);
            if let Some(text) = tick.text {
                svg.text((at, to.1 + 18.0), &text, "x");
            }
        }
        svg.frame(from, (to.0 - from.0, to.1 - from.1));
        svg.text(((from.0 + to.0) / 2.0, to.1 + 40.0), x.name, "name");
        svg.upright((from.0 - 66.0, (from.1 + to.1) / 2.0), y.name);

        if self.ideal {
            // Both axes begin at zero, so that the line does.
            let most = points().map(|(x, _)| *x).fold(0.0, f64::max);
            svg.line((across(0.0), up(0.0)), (across(x.place(most)), up(y.place(most))), "class=\"ideal\"");
        }
        for series in &self.series {
            let colour = COLOURS.get(series.look % COLOURS.len()).copied().unwrap_or_default();
            let dash = dash(series.look);
            let places: Vec<_> = series.points.iter().map(|(a, b)| (across(x.place(*a)), up(y.place(*b)))).collect();
            for (at, low, high) in &series.bars {
                let at = across(x.place(*at));
                let looks = format!("stroke=\"{colour}\" class=\"bar\"");
                svg.line((at, up(y.place(*low))), (at, up(y.place(*high))), &looks);
            }
            svg.polyline(&places, &format!("class=\"line\" stroke=\"{colour}\"{dash}"));
            if series.marked || places.len() == 1 {
                places.iter().for_each(|place| svg.mark(*place, series.look, colour));
            }
        }
        self.legend(svg, (to.0 + 18.0, from.1 + 8.0));
    }

    /// The names of the lines, from the point down.
    fn legend(&self, svg: &mut Svg, (x, top): (f64, f64)) {
        let named = self.series.iter().filter(|series| !series.name.is_empty());
        for (index, series) in named.enumerate() {
            let y = top + LEGEND_STEP * index as f64;
            let colour = COLOURS.get(series.look % COLOURS.len()).copied().unwrap_or_default();
            let looks = format!("class=\"line\" stroke=\"{colour}\"{}", dash(series.look));
            svg.line((x, y - 4.0), (x + 24.0, y - 4.0), &looks);
            if series.marked {
                svg.mark((x + 12.0, y - 4.0), series.look, colour);
            }
            let cut = series.name.chars().count() > LEGEND_TEXT;
            let text: String = series.name.chars().take(if cut { LEGEND_TEXT - 1 } else { LEGEND_TEXT }).collect();
            svg.text((x + 30.0, y), &(text + if cut { "…" } else { "" }), "legend");
        }
        if self.ideal {
            let y = top + LEGEND_STEP * self.series.iter().filter(|series| !series.name.is_empty()).count() as f64;
            svg.line((x, y - 4.0), (x + 24.0, y - 4.0), "class=\"ideal\"");
            svg.text((x + 30.0, y), "as asked", "legend");
        }
    }
}

/// Where colours come again, lines are dashed.
fn dash(look: usize) -> &'static str {
    match look / COLOURS.len() {
        0 => "",
        1 => " stroke-dasharray=\"7 4\"",
        _ => " stroke-dasharray=\"2 3\"",
    }
}
