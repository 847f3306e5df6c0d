//! Seconds since the Unix epoch to and from the ISO 8601 basic form, `20261122T155831Z`.
//!
//! The arithmetic on days is that of the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March, so
//! that a leap day is the last of its year.

/// Seconds in a day.
const DAY: u64 = 86_400;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// Days in 400 years.
const ERA: u64 = 146_097;

/// The moment `seconds` after the epoch.
pub(super) fn format(seconds: u64) -> String {
    let days = seconds / DAY + EPOCH;
    let (era, day) = (days / ERA, days % ERA);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let time = seconds % DAY;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

/// The seconds of a moment from 1970 on; `None` for anything that is not one.
pub(super) fn parse(text: &str) -> Option<u64> {
    let octets: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let digits = octets.iter().enumerate().filter(|(index, _)| ![8, 15].contains(index));
    if octets[8] != b'T' || octets[15] != b'Z' || !digits.clone().all(|(_, octet)| octet.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| octets[from..to].iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(9, 11), number(11, 13), number(13, 15));
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * ERA + day_of_era - EPOCH) * DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_go_both_ways() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_795_363_111, "20261122T155831Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(format(seconds), text);
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn every_day_for_centuries_comes_back() {
        for day in 0..400 * 365 {
            let seconds = day * DAY + day % DAY;
            assert_eq!(parse(&format(seconds)), Some(seconds));
        }
    }

    #[test]
    fn anything_else_is_no_moment() {
        for text in
            ["", "20261122T155831", "20261322T155831Z", "20261122 155831Z", "2026-1-22T15583Z", "19690101T000000Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
