//! Bars as SVG, with nothing but the standard library.

use std::fmt::Write as _;

/// A bar: its name, and the parts it is made of.
pub(crate) type Bar = (String, Vec<f64>);

/// Colours of parts, and ours.
const COLOURS: [&str; 2] = ["#4a7fb5", "#b9cfe4"];
const OURS: [&str; 2] = ["#d2691e", "#f0c7a5"];

/// A picture of bars, longest scale first; `parts` names what they are made of.
pub(crate) fn bars(title: &str, unit: &str, parts: &[&str], bars: &[Bar]) -> String {
    let (left, width, height, top) = (170.0, 520.0, 24.0, 54.0);
    let most = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(f64::MIN_POSITIVE, f64::max);
    let bottom = top + height * bars.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        left + width + 110.0,
        bottom + 14.0,
        escaped(title)
    );
    let mut place = 10.0;
    for (number, part) in parts.iter().enumerate().filter(|_| parts.len() > 1) {
        let colour = COLOURS.get(number).copied().unwrap_or("#888888");
        let _ = writeln!(
            svg,
            "<rect x=\"{place}\" y=\"30\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"41\">{}</text>",
            place + 17.0,
            escaped(part)
        );
        place += 40.0 + 8.0 * part.len() as f64;
    }
    for (line, (name, parts)) in bars.iter().enumerate() {
        let y = top + height * line as f64;
        let colours = if name.starts_with("Fingerpost") { OURS } else { COLOURS };
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", left - 8.0, y + 15.0, escaped(name));
        let mut x = left;
        for (number, part) in parts.iter().enumerate() {
            let length = part / most * width;
            let colour = colours.get(number).copied().unwrap_or("#888888");
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
                y + 2.0,
                height - 6.0
            );
            x += length;
        }
        let sum: f64 = parts.iter().sum();
        let text = if sum < 10.0 { format!("{sum:.2}") } else { format!("{sum:.0}") };
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{text} {}</text>", x + 5.0, y + 15.0, escaped(unit));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
