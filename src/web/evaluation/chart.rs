//! Charts as inline SVG, made here so that they need no script and print. Each says again what a table beside it says in
//! figures, so that nobody depends on seeing it.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::survey::figures::Interval;

/// Width of a whisker's axis, in its own units.
const WHISKER_WIDTH: f64 = 200.0;

/// A value with its 95 % interval on an axis from 0 to 1.
#[derive(Template)]
#[template(
    source = r#"<svg class="whisker" viewBox="-6 0 212 16" aria-hidden="true" focusable="false"><line class="axis" x1="0" y1="8" x2="200" y2="8"/><line class="tick" x1="100" y1="5" x2="100" y2="11"/>{% if let Some((low, high)) = span %}<line class="span" x1="{{ low }}" y1="8" x2="{{ high }}" y2="8"/><line class="span" x1="{{ low }}" y1="3" x2="{{ low }}" y2="13"/><line class="span" x1="{{ high }}" y1="3" x2="{{ high }}" y2="13"/>{% endif %}<circle class="point" cx="{{ at }}" cy="8" r="4.5"/></svg>"#,
    ext = "html"
)]
pub(super) struct Whisker {
    at: String,
    span: Option<(String, String)>,
}

impl Whisker {
    /// Of a share.
    pub(super) fn of_share(value: f64, interval: Option<Interval>) -> Self {
        Self::on(value, interval, 0.0, 1.0)
    }

    /// Of a value on an axis from `low` to `high`.
    pub(super) fn on(value: f64, interval: Option<Interval>, low: f64, high: f64) -> Self {
        let place = |v: f64| units(((v - low) / (high - low)).clamp(0.0, 1.0) * WHISKER_WIDTH);
        Self { at: place(value), span: interval.map(|i| (place(i.low), place(i.high))) }
    }
}

/// A bar from the left, as long as its share.
#[derive(Template)]
#[template(
    source = r#"<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="rest" width="100" height="8"/><rect class="fill" width="{{ width }}" height="8"/></svg>"#,
    ext = "html"
)]
pub(super) struct Bar {
    width: String,
}

impl Bar {
    /// Of `n` among `of`.
    pub(super) fn of(n: u64, of: u64) -> Self {
        Self { width: units(n as f64 * 100.0 / of.max(1) as f64) }
    }
}

/// Parts of a whole beside each other.
#[derive(Template)]
#[template(
    source = r#"<svg class="parts" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="rest" width="100" height="4"/>{% for p in parts %}<rect class="{{ p.class }}" x="{{ p.x }}" width="{{ p.width }}" height="4"/>{% endfor %}</svg>"#,
    ext = "html"
)]
pub(super) struct Parts {
    parts: Vec<Part>,
}

struct Part {
    class: &'static str,
    x: String,
    width: String,
}

impl Parts {
    /// Each part with the class that colours it, of `whole`.
    pub(super) fn of(parts: impl IntoIterator<Item = (&'static str, u64)>, whole: u64) -> Self {
        let mut x = 0.0;
        let part = |(class, n): (&'static str, u64)| {
            let width = n as f64 * 100.0 / whole.max(1) as f64;
            let part = Part { class, x: units(x), width: units(width) };
            x += width;
            part
        };
        Self { parts: parts.into_iter().map(part).collect() }
    }
}

/// One moment of a trend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// What stands below it.
    pub label: String,
    /// The share with its interval; `None`: not to be shown.
    pub share: Option<(f64, Option<Interval>)>,
}

/// Shares over time, with their intervals.
#[derive(Template)]
#[template(
    source = r#"<svg class="trend" viewBox="0 0 520 190" role="img" aria-label="{{ label }}" focusable="false">{% for g in grid %}<line class="grid" x1="44" y1="{{ g.y }}" x2="512" y2="{{ g.y }}"/><text x="38" y="{{ g.text_y }}" text-anchor="end">{{ g.label }}</text>{% endfor %}<polyline class="line" points="{{ line }}"/>{% for p in points %}{% if let Some((low, high)) = p.span %}<line class="span" x1="{{ p.x }}" y1="{{ low }}" x2="{{ p.x }}" y2="{{ high }}"/>{% endif %}{% if let Some(y) = p.y %}<circle class="point" cx="{{ p.x }}" cy="{{ y }}" r="4"/>{% endif %}<text x="{{ p.x }}" y="182" text-anchor="middle">{{ p.label }}</text>{% endfor %}</svg>"#,
    ext = "html"
)]
pub(super) struct Trend {
    label: String,
    grid: Vec<Grid>,
    points: Vec<Point>,
    line: String,
}

struct Grid {
    y: String,
    text_y: String,
    label: String,
}

struct Point {
    x: String,
    y: Option<String>,
    span: Option<(String, String)>,
    label: String,
}

impl Trend {
    /// Of moments in their order; `label` says what the picture shows.
    pub(super) fn of(label: String, moments: &[Moment]) -> Self {
        let y = |share: f64| 160.0 - share.clamp(0.0, 1.0) * 148.0;
        let step = 468.0 / moments.len().max(1) as f64;
        let x = |at: usize| 44.0 + step * (at as f64 + 0.5);
        let grid = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| Grid {
            y: units(y(share)),
            text_y: units(y(share) + 4.0),
            label: format!("{:.0}%", share * 100.0),
        });
        let point = |(at, moment): (usize, &Moment)| Point {
            x: units(x(at)),
            y: moment.share.map(|(value, _)| units(y(value))),
            span: moment.share.and_then(|(_, i)| i).map(|i| (units(y(i.low)), units(y(i.high)))),
            label: moment.label.clone(),
        };
        let points: Vec<Point> = moments.iter().enumerate().map(point).collect();
        let shown = points.iter().filter_map(|p| Some(format!("{},{}", p.x, p.y.as_deref()?)));
        Self { label, grid: grid.into(), line: shown.collect::<Vec<_>>().join(" "), points }
    }
}

// What these write is escaped already.
impl HtmlSafe for Whisker {}
impl HtmlSafe for Bar {}
impl HtmlSafe for Parts {}
impl HtmlSafe for Trend {}

fn units(x: f64) -> String {
    format!("{x:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whisker_stands_where_its_value_is() {
        let drawn = Whisker::of_share(0.5, Some(Interval { low: 0.25, high: 0.875 })).to_string();
        for part in [r#"cx="100.0""#, r#"x1="50.0" y1="8" x2="175.0""#] {
            assert!(drawn.contains(part), "{part} in {drawn}");
        }
        assert!(!Whisker::of_share(0.5, None).to_string().contains("span"));
        assert!(Whisker::on(3.0, None, 1.0, 5.0).to_string().contains(r#"cx="100.0""#));
    }

    #[test]
    fn parts_follow_each_other() {
        let drawn = Parts::of([("good", 25), ("bad", 50)], 100).to_string();
        assert!(drawn.contains(r#"class="good" x="0.0" width="25.0""#), "{drawn}");
        assert!(drawn.contains(r#"class="bad" x="25.0" width="50.0""#), "{drawn}");
        assert!(Bar::of(0, 0).to_string().contains(r#"width="0.0""#));
    }

    #[test]
    fn a_month_that_may_not_be_shown_leaves_a_gap() {
        let moment = |label: &str, value| Moment { label: label.to_owned(), share: value };
        let shown = Some((1.0, Some(Interval { low: 0.5, high: 1.0 })));
        let drawn = Trend::of("<满意>".into(), &[moment("1月", shown), moment("2月", None)]).to_string();
        assert_eq!(drawn.matches("<circle").count(), 1);
        assert!(drawn.contains("2月") && drawn.contains(r#"points="161.0,12.0""#), "{drawn}");
        assert!(!drawn.contains("<满意>"), "labels are escaped");
    }
}
