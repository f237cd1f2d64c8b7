//! The table that is printed: what was probed, what the facts say, and what came of it now.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Widths of the table's columns.
const WIDTHS: [usize; 3] = [46, 58, 58];

struct Row {
    probe: String,
    facts: String,
    now: String,
}

impl Row {
    fn is_ok(&self) -> bool {
        self.facts == self.now
    }
}

/// Rows, one for each probe.
pub struct Table {
    title: String,
    rows: Vec<Row>,
    finished: bool,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>) -> Table {
        Table { title: title.into(), rows: Vec::new(), finished: false }
    }

    /// Makes a probe. What it observes is written in the words of the facts, from what came over the wire, so that the
    /// two are the same text when they agree. A probe that panics has observed that.
    pub fn row(&mut self, probe: &str, facts: &str, observe: impl FnOnce() -> String) {
        let now = catch_unwind(AssertUnwindSafe(observe)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            format!("panicked: {}", text.unwrap_or("without a word"))
        });
        self.rows.push(Row { probe: probe.to_owned(), facts: facts.to_owned(), now });
    }

    /// Prints the table.
    ///
    /// # Panics
    /// When a row differs.
    pub fn finish(mut self) {
        println!("{self}");
        self.finished = true;
        let different: Vec<_> = self.rows.iter().filter(|row| !row.is_ok()).map(|row| &row.probe).collect();
        assert!(different.is_empty(), "not as in the facts, which are those of 16.2.15: {different:?}");
    }
}

impl Drop for Table {
    /// What there is of it is printed also when the test fails between two rows.
    fn drop(&mut self) {
        if !self.finished {
            println!("{self}");
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.title)?;
        line(f, ["probe", "observed by the facts", "observed now"], "ok")?;
        line(f, WIDTHS.map(|width| "-".repeat(width)).each_ref().map(String::as_str), "--")?;
        for row in &self.rows {
            line(f, [&row.probe, &row.facts, &row.now], if row.is_ok() { "ok" } else { "DIFFERS" })?;
        }
        Ok(())
    }
}

/// One row, on as many lines as its longest cell takes.
fn line(f: &mut fmt::Formatter<'_>, cells: [&str; 3], verdict: &str) -> fmt::Result {
    let mut lines: Vec<[String; 3]> = Vec::new();
    for (column, cell) in cells.into_iter().enumerate() {
        for (n, part) in wrap(cell, WIDTHS[column]).into_iter().enumerate() {
            if lines.len() == n {
                lines.push(Default::default());
            }
            lines[n][column] = part;
        }
    }
    for (n, [probe, facts, now]) in lines.iter().enumerate() {
        let [a, b, c] = WIDTHS;
        let verdict = if n == 0 { verdict } else { "" };
        writeln!(f, "{}", format!("{probe:a$} | {facts:b$} | {now:c$} | {verdict}").trim_end_matches([' ', '|']))?;
    }
    Ok(())
}

/// Breaks a text between words into lines of at most `width` characters, but for words that are longer.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().unwrap();
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_whose_rows_agree_passes() {
        let mut table = Table::new("agree");
        table.row("probe", "SEQ", || "SEQ".to_owned());
        table.finish();
    }

    #[test]
    #[should_panic(expected = "not as in the facts, which are those of 16.2.15: [\"one\", \"other\"]")]
    fn a_row_that_differs_or_panics_fails_the_test_after_the_others() {
        let mut table = Table::new("differ");
        table.row("one", "SEQ", || "READY".to_owned());
        table.row("other", "SEQ", || unreachable!("on purpose"));
        table.row("third", "SEQ", || "SEQ".to_owned());
        table.finish();
    }

    #[test]
    fn long_cells_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("longer-than-that and", 7), ["longer-than-that", "and"]);
        assert_eq!(wrap("", 7), [""]);
    }
}
