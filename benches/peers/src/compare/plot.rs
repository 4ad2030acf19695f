//! Plots as SVG, to be put into a page as they are.

use crate::measure::PERCENTILES;
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    prelude::{
        Circle, Color, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, PathElement, RGBColor,
        SVGBackend, WHITE,
    },
};

/// A named line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Size of a plot, pixels.
const SIZE: (u32, u32) = (640, 320);

/// Colours that people with any colour vision tell apart.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
    RGBColor(140, 80, 20),
];

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Times over percentiles: each step to the right is ten times rarer, the maximum is last.
pub(super) fn percentiles(curves: &[(String, Vec<f64>)]) -> Option<String> {
    let place = |percentile: f64| {
        if percentile >= 100.0 { MAXIMUM_PLACE } else { -(1.0 - percentile / 100.0).log10() }
    };
    let lines = curves.iter().map(|(name, values)| Line {
        name: name.clone(),
        points: PERCENTILES.iter().map(|&percentile| place(percentile)).zip(values.iter().copied()).collect(),
    });
    let lines: Vec<_> = lines.collect();
    draw(&lines, &Axes { x: "percentile", y: "us", x_text: &percentile_text, x_is_log: false })
}

/// Where the maximum is on the axis of percentiles.
const MAXIMUM_PLACE: f64 = 6.0;

fn percentile_text(place: f64) -> String {
    match place.round() as i32 {
        0 => "0".to_owned(),
        1 => "90".to_owned(),
        6 => "max".to_owned(),
        nines => format!("99{}{}", if nines > 2 { "." } else { "" }, "9".repeat((nines - 2).max(0) as usize)),
    }
}

/// Values over a parameter, both on logarithmic axes.
pub(super) fn scaling(x: &str, y: &str, lines: &[Line]) -> Option<String> {
    draw(lines, &Axes { x, y, x_text: &number_text, x_is_log: true })
}

/// Values over a parameter that may be zero.
pub(super) fn over(x: &str, y: &str, lines: &[Line]) -> Option<String> {
    draw(lines, &Axes { x, y, x_text: &number_text, x_is_log: false })
}

fn number_text(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}

struct Axes<'a> {
    x: &'a str,
    y: &'a str,
    x_text: &'a dyn Fn(f64) -> String,
    x_is_log: bool,
}

/// `None` where there is nothing to draw.
fn draw(lines: &[Line], axes: &Axes<'_>) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(least, most), value| (least.min(value), most.max(value)))
    };
    let (left, right) = bounds(&mut points().map(|point| point.0));
    let (low, high) = bounds(&mut points().map(|point| point.1).filter(|value| *value > 0.0));
    if !(left.is_finite() && low.is_finite() && right > left) {
        return None;
    }
    let mut svg = String::new();
    let frame = Frame { x: (left, right), y: (low * 0.8, high * 1.25) };
    draw_into(&mut svg, lines, axes, &frame).ok()?;
    Some(svg)
}

struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

fn draw_into(svg: &mut String, lines: &[Line], axes: &Axes<'_>, frame: &Frame) -> Outcome {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    builder.margin(8).x_label_area_size(36).y_label_area_size(60);
    let y = (frame.y.0..frame.y.1).log_scale();
    // The two kinds of axis are two types.
    macro_rules! plot {
        ($x:expr) => {{
            let mut chart = builder.build_cartesian_2d($x, y)?;
            chart
                .configure_mesh()
                .x_desc(axes.x)
                .y_desc(axes.y)
                .x_labels(8)
                .x_label_formatter(&|value| (axes.x_text)(*value))
                .y_label_formatter(&|value| number_text(*value))
                .light_line_style(RGBColor(245, 245, 245))
                .bold_line_style(RGBColor(225, 225, 225))
                .label_style(("sans-serif", 12).into_font())
                .draw()?;
            for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
                let points = || line.points.iter().copied().filter(|point| point.1 > 0.0);
                chart
                    .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
                    .label(line.name.as_str())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
                chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.8))
                .label_font(("sans-serif", 12).into_font())
                .draw()?;
        }};
    }
    if axes.x_is_log {
        plot!((frame.x.0..frame.x.1).log_scale());
    } else {
        plot!(frame.x.0..frame.x.1);
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_lines_and_axes() {
        let lines = [Line { name: "epona".to_owned(), points: vec![(1.0, 10.0), (100.0, 8.0)] }];
        let svg = scaling("streams", "Mmsg/s", &lines).unwrap();
        for text in ["<svg", "epona", "streams", "Mmsg/s"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let curve = vec![5.0; PERCENTILES.len()];
        assert!(percentiles(&[("aeron".to_owned(), curve)]).unwrap().contains("99.9"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing_or_of_a_single_place() {
        assert_eq!(percentiles(&[]), None);
        assert_eq!(scaling("x", "y", &[Line { name: String::new(), points: vec![(1.0, 1.0)] }]), None);
    }
}
