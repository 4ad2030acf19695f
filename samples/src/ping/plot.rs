//! A distribution as a picture: round trips by percentile, beside those of a bare socket.

use hdrhistogram::Histogram;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, PathElement, RGBColor,
    SVGBackend, SeriesLabelPosition, ShapeStyle, WHITE,
};

use super::hgrm::micros;
use crate::common::Stop;

/// Width and height, in pixels.
const SIZE: (u32, u32) = (960, 560);

/// Steps between a quantile and one twice as near to 1.
const TICKS_PER_HALF_DISTANCE: u32 = 8;

const EPONA: RGBColor = RGBColor(0x2a, 0x78, 0xd6);
const BARE_SOCKET: RGBColor = RGBColor(0xd9, 0x73, 0x0d);

/// Draws histograms of nanoseconds as SVG: percentiles to the right, evenly by how rare what lies beyond is; microseconds
/// upwards, both in powers of ten.
///
/// # Errors
/// Never, in fact: it is drawn into memory.
pub(super) fn draw(
    title: &str,
    epona: &Histogram<u64>,
    bare_socket: &Histogram<u64>,
) -> Result<String, Stop> {
    let mut svg = String::new();
    let drawn = draw_into(&mut svg, title, epona, bare_socket);
    drawn.map_err(|error| format!("cannot draw the plot: {error}"))?;
    Ok(svg)
}

fn draw_into(
    svg: &mut String,
    title: &str,
    epona: &Histogram<u64>,
    bare_socket: &Histogram<u64>,
) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let lines = [("epona", EPONA, points(epona)), ("bare UDP socket", BARE_SOCKET, points(bare_socket))];
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let rarest = all().map(|(rarity, _)| *rarity).fold(10.0, f64::max);
    let least = all().map(|(_, value)| *value).fold(f64::INFINITY, f64::min).clamp(0.001, 1e9);
    let most = all().map(|(_, value)| *value).fold(least * 2.0, f64::max);

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(|error| said(&error))?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18).into_font())
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..rarest).log_scale(), (least / 1.3..most * 1.3).log_scale())
        .map_err(|error| said(&error))?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("round trip, microseconds")
        .x_label_formatter(&|rarity| percentile(*rarity))
        .y_label_formatter(&|value| format!("{value}"))
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(|error| said(&error))?;
    for (name, colour, points) in lines {
        let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: 2 };
        chart
            .draw_series(LineSeries::new(points, style))
            .map_err(|error| said(&error))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|error| said(&error))?;
    area.present().map_err(|error| said(&error))
}

/// How rare what lies beyond a percentile is, one in so many, and the microseconds there.
fn points(nanos: &Histogram<u64>) -> Vec<(f64, f64)> {
    let most = (nanos.len() as f64).max(10.0);
    let rarity = |quantile: f64| if quantile < 1.0 { (1.0 / (1.0 - quantile)).min(most) } else { most };
    nanos
        .iter_quantiles(TICKS_PER_HALF_DISTANCE)
        .map(|step| (rarity(step.quantile_iterated_to()), micros(step.value_iterated_to()).max(0.001)))
        .collect()
}

/// One in 100 lies beyond 99%.
fn percentile(rarity: f64) -> String {
    let text = format!("{:.6}", 100.0 * (1.0 - 1.0 / rarity.max(1.0)));
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::tally::new_histogram;

    fn histogram(micros: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = new_histogram().unwrap();
        micros.into_iter().for_each(|value| histogram.record(value * 1000).unwrap());
        histogram
    }

    #[test]
    fn both_curves_are_drawn_under_a_title_with_percentiles_below() {
        let svg = draw("a <title>", &histogram(8..10_000), &histogram(7..5_000)).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg:.200}");
        for part in ["a &lt;title&gt;", "bare UDP socket", "epona", "99%", "percentile", "microseconds"] {
            assert!(svg.contains(part), "{part} in {svg:.2000}");
        }
        assert!(svg.matches("<polyline").count() >= 2);
    }

    #[test]
    fn a_few_round_trips_and_none_are_drawn_too() {
        for values in [0, 1, 2] {
            assert!(draw("", &histogram(5..5 + values), &histogram([])).unwrap().contains("</svg>"));
        }
    }

    #[test]
    fn percentiles_are_labelled_as_people_write_them() {
        let cases = [(1.0, "0%"), (2.0, "50%"), (10.0, "90%"), (100.0, "99%"), (1e4, "99.99%")];
        for (rarity, label) in cases {
            assert_eq!(percentile(rarity), label);
        }
    }

    #[test]
    fn curves_never_go_down() {
        let points = points(&histogram(1..1000));
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1), "{points:?}");
    }
}
