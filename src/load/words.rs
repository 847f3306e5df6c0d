//! Times, rates and shares as people read them: three digits and a unit.

/// A time in nanoseconds: `850 ns`, `12.3 µs`, `1.50 ms`, `2.00 s`.
pub fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds.abs() {
        ..999.5 => return format!("{nanoseconds:.0} ns"),
        ..999.5e3 => (nanoseconds / 1e3, "µs"),
        ..999.5e6 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// An amount or a rate: `950`, `12.3k`, `1.50M`.
pub fn amount(value: f64) -> String {
    match value.abs() {
        ..999.5 if value.fract().abs() < 0.05 => format!("{value:.0}"),
        ..999.5 => digits(value),
        ..999.5e3 => digits(value / 1e3) + "k",
        ..999.5e6 => digits(value / 1e6) + "M",
        _ => digits(value / 1e9) + "G",
    }
}

/// A share of 1 in percent: `0 %`, `0.0012 %`, `12.3 %`.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        0.0 => "0 %".into(),
        ..0.01 => format!("{percent:.4} %"),
        ..1.0 => format!("{percent:.3} %"),
        _ => digits(percent) + " %",
    }
}

/// A change against what was, in percent with its sign: `+1.2 %`.
pub fn change(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

/// Three digits.
fn digits(value: f64) -> String {
    match value.abs() {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let times = [0.0, 850.0, 999.6, 12_345.0, 1_500_000.0, 2e9, 1234e9].map(time);
        assert_eq!(times, ["0 ns", "850 ns", "1.00 µs", "12.3 µs", "1.50 ms", "2.00 s", "1234 s"]);
        let amounts = [0.0, 12.5, 950.0, 999.7, 12_345.0, 1_500_000.0, 2e9].map(amount);
        assert_eq!(amounts, ["0", "12.5", "950", "1.00k", "12.3k", "1.50M", "2.00G"]);
        assert_eq!([0.0, 0.000_012, 0.0015, 0.123, 1.0].map(share), ["0 %", "0.0012 %", "0.150 %", "12.3 %", "100 %"]);
        assert_eq!([0.012, -0.5].map(change), ["+1.2 %", "-50.0 %"]);
    }
}
