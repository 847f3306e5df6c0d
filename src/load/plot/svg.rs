//! Elements of an SVG picture.

use std::fmt::Write;

/// Texts are in the reader's own fonts; the background is white, also where pages are dark.
const STYLE: &str = "text{font:12px 'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#333}\
.title{font-size:18px;font-weight:bold;text-anchor:middle;fill:#111}\
.chart{font-size:14px;font-weight:bold;fill:#111}\
.x{text-anchor:middle}.y{text-anchor:end}.name{text-anchor:middle;fill:#111}\
.grid{stroke:#ddd;stroke-width:1}.minor{stroke:#f0f0f0;stroke-width:1}.frame{stroke:#888;fill:none}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}.bar{stroke-width:1.5}.ideal{stroke:#999;stroke-dasharray:3 4}";

/// A picture under construction.
pub(super) struct Svg(String);

impl Svg {
    /// An empty picture.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self(String::new());
        svg.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>",
            escaped(title)
        ));
        svg
    }

    /// The picture as text.
    pub(super) fn finish(mut self) -> String {
        self.put(format_args!("</svg>"));
        self.0
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{element}");
    }

    /// A text at a point: the start, the middle or the end of its baseline, as its class says.
    pub(super) fn text(&mut self, (x, y): (f64, f64), text: &str, class: &str) {
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>", escaped(text)));
    }

    /// A text that is read from below, around its middle.
    pub(super) fn upright(&mut self, (x, y): (f64, f64), text: &str) {
        let text = escaped(text);
        let turn = format!("transform=\"rotate(-90 {x:.1} {y:.1})\"");
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {turn} class=\"name\">{text}</text>"));
    }

    /// A straight line; the attributes are its looks.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {attributes}/>"));
    }

    /// A frame.
    pub(super) fn frame(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let size = format!("width=\"{width:.1}\" height=\"{height:.1}\"");
        self.put(format_args!("<rect x=\"{x:.1}\" y=\"{y:.1}\" {size} class=\"frame\"/>"));
    }

    /// A line through points.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], attributes: &str) {
        let mut text = String::new();
        for (x, y) in points {
            let _ = write!(text, "{x:.1},{y:.1} ");
        }
        self.put(format_args!("<polyline points=\"{}\" {attributes}/>", text.trim_end()));
    }

    /// A mark on a point: one of four shapes.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), shape: usize, colour: &str) {
        let path = match shape % 4 {
            0 => return self.put(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>")),
            1 => "m-4,-4 h8 v8 h-8 z",
            2 => "m0,-5 l5,9 h-10 z",
            _ => "m0,-5.5 l5.5,5.5 l-5.5,5.5 l-5.5,-5.5 z",
        };
        self.put(format_args!("<path d=\"M{x:.1},{y:.1} {path}\" fill=\"{colour}\"/>"));
    }
}

/// The text without what XML means by it.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
