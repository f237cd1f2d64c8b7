//! Figures and lists as the page writes them, and a reader of its sentences.

/// A whole number, its thousands apart: `1,024`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits, at most four of them decimals; whole numbers in full.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    let scientific = format!("{size:.2e}");
    let power: i32 = scientific.split('e').nth(1).and_then(|power| power.parse().ok()).unwrap_or(0);
    let decimals = if size.fract() == 0.0 { 0 } else { (2 - power).clamp(0, 4) as usize };
    let text = format!("{size:.decimals$}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{decimals}", count(whole.parse().expect("a whole number")))
}

/// A ratio without its sign: two decimals from one on, even when they are noughts.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        0.995..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        _ => number(value),
    }
}

/// The largest of these units that fits, and how many base units make one.
fn unit(value: f64, units: &[(&'static str, f64)]) -> (&'static str, f64) {
    *units.iter().rfind(|(_, factor)| value.abs() >= *factor).unwrap_or(&units[0])
}

/// The unit of so many bytes.
pub(crate) fn byte_unit(value: f64) -> (&'static str, f64) {
    unit(value, &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)])
}

/// A time, given in nanoseconds.
pub(crate) fn time(ns: f64) -> String {
    let (name, factor) = unit(ns, &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]);
    format!("{} {name}", number(ns / factor))
}

/// The spread of rounds, each end shown by `show`.
pub(crate) fn spread(spread: &super::arithmetic::Spread, show: impl Fn(f64) -> String) -> String {
    match (show(spread.low), show(spread.high)) {
        _ if spread.rounds == 1 => "one round".to_string(),
        (low, high) if low == high => "all rounds alike".to_string(),
        (low, high) => format!("{low}–{high}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    let (last, head) = items.split_last().expect("a list has an item");
    if head.is_empty() { last.clone() } else { format!("{} and {last}", head.join(", ")) }
}

/// How many rounds figures rest on, as it ends a sentence.
pub(crate) fn over(rounds: &[usize]) -> String {
    let (fewest, most) = (rounds.iter().min().expect("some figure"), rounds.iter().max().expect("some figure"));
    match (fewest, most) {
        (1, 1) => ".".to_string(),
        _ if fewest == most => format!(" over {most} rounds."),
        _ => format!(" over {fewest} to {most} rounds."),
    }
}

/// Reads a sentence from its beginning; every error says where it stopped.
pub(crate) struct Reader<'a>(pub(crate) &'a str);

impl Reader<'_> {
    /// Goes past what must stand here.
    pub(crate) fn eat(&mut self, what: &str) -> Result<(), String> {
        self.0 = self.0.strip_prefix(what).ok_or_else(|| format!("not {what:?}: {:?}", self.0))?;
        Ok(())
    }

    /// Goes past what may stand here; whether it did.
    pub(crate) fn eats(&mut self, what: &str) -> bool {
        self.eat(what).is_ok()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("unknown words {:?}", self.0)) }
    }
}
