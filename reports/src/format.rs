//! Numbers, units and command lines as a person reads them.
//!
//! Every figure of a page passes through here, so that the same quantity looks the same in a plot, a table and a
//! sentence.

/// What kind of quantity a number is; decides its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Things counted, without a unit.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Messages a second.
    MessagesPerSecond,
    /// Bytes a second.
    BytesPerSecond,
}

/// A unit, and how many base units make one of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    /// Its name, empty for a plain count.
    pub(crate) name: &'static str,
    /// Base units in one of it.
    pub(crate) factor: f64,
}

const KIB: f64 = 1024.0;
const COUNT: [Unit; 1] = [Unit { name: "", factor: 1.0 }];
const BYTES: [Unit; 4] = [
    Unit { name: "B", factor: 1.0 },
    Unit { name: "KiB", factor: KIB },
    Unit { name: "MiB", factor: KIB * KIB },
    Unit { name: "GiB", factor: KIB * KIB * KIB },
];
const TIME: [Unit; 4] = [
    Unit { name: "ns", factor: 1.0 },
    Unit { name: "µs", factor: 1e3 },
    Unit { name: "ms", factor: 1e6 },
    Unit { name: "s", factor: 1e9 },
];
const RATE: [Unit; 1] = [Unit { name: "msg/s", factor: 1.0 }];
// Throughput in decimal megabytes, as network figures are.
const BANDWIDTH: [Unit; 1] = [Unit { name: "MB/s", factor: 1e6 }];

impl Quantity {
    fn units(self) -> &'static [Unit] {
        match self {
            Quantity::Count => &COUNT,
            Quantity::Bytes => &BYTES,
            Quantity::Nanoseconds => &TIME,
            Quantity::MessagesPerSecond => &RATE,
            Quantity::BytesPerSecond => &BANDWIDTH,
        }
    }

    /// The largest unit of which `value` (in base units) makes at least one.
    pub(crate) fn unit_for(self, value: f64) -> Unit {
        let units = self.units();
        let fits = units.iter().rev().find(|unit| value.abs() >= unit.factor);
        *fits.unwrap_or(&units[0])
    }

    /// A value in base units with its own best unit: `118 µs`, `24.1 KiB`, `1,024`.
    pub(crate) fn show(self, value: f64) -> String {
        let unit = self.unit_for(value);
        if self == Quantity::Bytes && unit.factor == 1.0 {
            return format!("{} B", count(value.round() as u64));
        }
        let number = number(value / unit.factor);
        if unit.name.is_empty() { number } else { format!("{number} {}", unit.name) }
    }
}

/// A whole number with its thousands separated: `1,024`.
pub(crate) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A number with about three significant digits, and all digits before the point: `0.021`, `1.21`, `24.1`, `118`,
/// `84,213`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    if value == 0.0 {
        return "0".to_string();
    }
    // The rounded value decides, so that 99.96 becomes 100 and not 100.0.
    let decimals = [(0.0995, 4), (0.9995, 3), (9.995, 2), (99.95, 1)]
        .into_iter()
        .find(|(limit, _)| value.abs() < *limit)
        .map_or(0, |(_, decimals)| decimals);
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if value < 0.0 { "−" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    // A count such as 8 threads carries no decimals that it does not have.
    if value.fract() == 0.0 {
        return format!("{sign}{}", group(whole));
    }
    format!("{sign}{}{point}{fraction}", group(whole))
}

/// A ratio: `1.21×`.
pub(crate) fn ratio(value: f64) -> String {
    if value.is_finite() && value.abs() < 99.95 && value.abs() >= 0.995 {
        let decimals = if value.abs() < 9.995 { 2 } else { 1 };
        return format!("{value:.decimals$}×");
    }
    format!("{}×", number(value))
}

/// A share of one as per cent: `2.5 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A change as per cent, with its sign: `+2.5 %`.
pub(crate) fn signed_percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{}", percent(share.abs()))
}

/// A payload size: `64 B`, `4 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    Quantity::Bytes.show(bytes as f64)
}

/// Words as a sentence lists them: `a`, `a and b`, `a, b and c`.
pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_string(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// The beginning of a sentence.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// `1 peer`, `1,024 peers`.
pub(crate) fn peers(peers: u32) -> String {
    plural(u64::from(peers), "peer")
}

/// `1 round`, `3 rounds`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A command line that a POSIX shell splits into the same words again.
pub(crate) fn shell<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| shell_word(word.as_ref())).collect();
    quoted.join(" ")
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_separate_thousands() {
        let shown = [0.0, 0.0213, 0.5, 1.206, 24.06, 99.96, 118.4, 2052.0, 84213.4, -3.25].map(number);
        let expected = ["0", "0.0213", "0.500", "1.21", "24.1", "100", "118", "2,052", "84,213", "−3.25"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn quantities_pick_the_unit_that_reads_best() {
        assert_eq!(Quantity::Nanoseconds.show(118_200.0), "118 µs");
        assert_eq!(Quantity::Bytes.show(24.1 * 1024.0), "24.1 KiB");
        assert_eq!(Quantity::Bytes.show(64.0), "64 B");
        assert_eq!(Quantity::Count.show(1024.0), "1,024");
        assert_eq!(size(4096), "4 KiB");
    }

    #[test]
    fn ratios_keep_two_decimals_where_it_matters() {
        assert_eq!([0.4312, 1.0, 1.206, 23.456, 140.0].map(ratio), ["0.431×", "1.00×", "1.21×", "23.5×", "140×"]);
    }

    #[test]
    fn a_number_that_is_none_is_a_dash() {
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn words_that_a_shell_would_change_are_quoted() {
        assert_eq!(
            shell(&["msgr-bench", "run", "--set", "a=it's; rm -rf *", ""]),
            r"msgr-bench run --set 'a=it'\''s; rm -rf *' ''"
        );
    }
}
