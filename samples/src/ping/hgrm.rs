//! A distribution as text, in the format that HdrHistogram's tools and plotters read (.hgrm).

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Lines between a quantile and one twice as near to 1.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// Writes a histogram of nanoseconds in microseconds.
///
/// # Errors
/// Those of the output.
pub(super) fn write(histogram: &Histogram<u64>, mut output: impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (micros(step.value_iterated_to()), step.quantile_iterated_to());
        write!(output, "{value:12.3} {quantile:2.12} {total:10}")?;
        if quantile < 1.0 {
            write!(output, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(output)?;
    }
    let (mean, deviation) = (histogram.mean() / 1000.0, histogram.stdev() / 1000.0);
    writeln!(output, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(
        output,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        micros(histogram.max()),
        histogram.len()
    )?;
    writeln!(
        output,
        "#[Buckets = {:12}, SubBuckets     = {:12}]",
        histogram.buckets(),
        sub_buckets(histogram)
    )?;
    output.flush()
}

/// Nanoseconds as microseconds.
pub(super) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// How finely a bucket is divided: into the least power of two that tells its number of digits apart.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::tally::new_histogram;

    fn written(values: impl IntoIterator<Item = u64>) -> String {
        let mut histogram = new_histogram().unwrap();
        values.into_iter().for_each(|value| histogram.record(value).unwrap());
        let mut text = Vec::new();
        write(&histogram, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_text_is_laid_out_as_hdr_histogram_does() {
        let text = written((1..=4).map(|value| value * 1000));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        assert!(lines.contains(&"       2.000 0.500000000000          2           2.00"), "{text}");
        let last = lines.iter().rposition(|line| !line.starts_with('#')).unwrap();
        assert_eq!(lines[last], "       4.001 1.000000000000          4", "{text}");
        assert_eq!(
            lines[last + 1..],
            [
                "#[Mean    =        2.501, StdDeviation   =        1.118]",
                "#[Max     =        4.001, Total count    =            4]",
                "#[Buckets =           32, SubBuckets     =         2048]",
            ]
        );
    }

    #[test]
    fn percentiles_and_counts_never_go_down_and_end_with_everything() {
        let text = written((0..1000).map(|index| 5_000 + index * index));
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert!(rows.len() > 20, "{text}");
        assert!(
            rows.windows(2).all(|pair| (0..3).all(|column| pair[0][column] <= pair[1][column])),
            "{text}"
        );
        assert_eq!(rows.last().unwrap()[1..], [1.0, 1000.0]);
    }
}
