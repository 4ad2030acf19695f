//! Saving the distinct errors of a driver that is gone, before its directory is deleted.
//! Source: driver spec 8.2, 14.6.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use epona_protocol::{cnc::Cnc, error_log, types::EpochMillis};

/// Saves the errors next to the directory; what there is to tell about it, empty when there were no errors. When they
/// cannot be saved, they are in what is told.
pub(super) fn save(cnc: &Cnc, directory: &Path, now: EpochMillis) -> Vec<String> {
    let mut text = String::new();
    let mut count = 0;
    for entry in error_log::entries(cnc.error_log()) {
        count += 1;
        let (first, last) = (timestamp(entry.first_observation), timestamp(entry.last_observation));
        let observations = entry.observation_count;
        let _ =
            write!(text, "***\n{observations} observations from {first} to {last} for:\n {}\n", entry.text);
    }
    if count == 0 {
        return Vec::new();
    }
    let _ = write!(text, "\n{count} distinct errors observed.\n");
    let file = file_name(directory, now);
    match std::fs::write(&file, &text) {
        Ok(()) => vec![format!("WARNING: existing errors saved to: {}", file.display())],
        Err(error) => {
            vec![format!("WARNING: could not save existing errors to {}: {error}", file.display()), text]
        }
    }
}

/// `<directory>-<timestamp>-error.log`, with `-` for the `:` of the timestamp.
fn file_name(directory: &Path, now: EpochMillis) -> PathBuf {
    let mut name: OsString = directory.components().as_path().into();
    name.push(format!("-{}-error.log", timestamp(now).replace(':', "-")));
    name.into()
}

/// `YYYY-MM-DD hh:mm:ss.mmm+0000`, in UTC.
pub(crate) fn timestamp(time: EpochMillis) -> String {
    let millis = time.get();
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil_date(days);
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{:03}+0000", of_day % 1000)
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Counts in eras of 400 years, 146,097
/// days each, from a 1st of March, so that a leap day is the last of its year.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (millis, text) in [
            (0, "1970-01-01 00:00:00.000+0000"),
            (951_782_400_000, "2000-02-29 00:00:00.000+0000"),
            (1_700_000_000_123, "2023-11-14 22:13:20.123+0000"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999+0000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000+0000"),
            (-1, "1969-12-31 23:59:59.999+0000"),
        ] {
            assert_eq!(timestamp(EpochMillis::new(millis)), text);
        }
    }

    #[test]
    fn the_file_stands_next_to_the_directory() {
        let name = file_name(Path::new("/x/aeron-me/"), EpochMillis::new(0));
        assert_eq!(name, Path::new("/x/aeron-me-1970-01-01 00-00-00.000+0000-error.log"));
    }
}
