//! Bars with whiskers, as SVG: no script, no fonts of its own, readable on light and dark pages.

use std::fmt::Write as _;

use super::Range;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 44.0;
const BAR: f64 = 26.0;
const GAP: f64 = 14.0;

/// One bar.
pub(super) struct Bar<'name> {
    pub(super) name: &'name str,
    pub(super) range: Range,
    /// Whether it is ours.
    pub(super) is_ours: bool,
    /// What stands behind it.
    pub(super) label: String,
}

/// A plot of these bars: how long each is, and between what its rounds were.
pub(super) fn bars(title: &str, bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.range.most).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    #[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
    let height = TOP + bars.len() as f64 * (BAR + GAP) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <style>text {{ fill: #24292f }} .whisker {{ stroke: #24292f }} @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .whisker {{ stroke: #e6edf3 }} }}</style>\n\
         <title>{title}</title>\n<text x=\"8\" y=\"24\" font-size=\"15\" font-weight=\"600\">{title}</text>\n"
    );
    let mut y = TOP;
    for bar in bars {
        let (length, middle) = (bar.range.median * scale, y + BAR / 2.0);
        let (from, to) = (LEFT + bar.range.least * scale, LEFT + bar.range.most * scale);
        let colour = if bar.is_ours { "#c2571a" } else { "#8c959f" };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"3\" fill=\"{colour}\"/>\n\
             <line class=\"whisker\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            LEFT - 10.0,
            middle + 4.5,
            bar.name,
            to.max(LEFT + length) + 8.0,
            middle + 4.5,
            bar.label,
        );
        y += BAR + GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_plot_and_the_others_are_in_proportion() {
        let bar = |name, median: f64| Bar {
            name,
            range: Range { least: median, median, most: median },
            is_ours: name == "ours",
            label: format!("{median:.0}/s"),
        };
        let svg = bars("requests", &[bar("theirs", 200.0), bar("ours", 100.0)]);
        assert!(svg.contains("width=\"480.0\"") && svg.contains("width=\"240.0\""), "{svg}");
        assert_eq!((svg.matches("<rect").count(), svg.matches("#c2571a").count()), (2, 1));
        assert!(svg.ends_with("</svg>\n"));
    }
}
