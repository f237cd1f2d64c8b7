//! The verdict as Markdown, for the summary of a CI job.

use std::fmt::Write;

use super::decision::Decision;
use super::record::{CellRecord, GateRecord, Side};
use super::words;
use crate::format::{self, percent, signed_percent};

/// Draws a record as Markdown: the verdict, one table, warnings, the command that repeats the job, and the rest folded.
pub(super) fn render(record: &GateRecord) -> String {
    let mut out = format!("## {}\n\n{}\n", words::heading(record.outcome), text(&record.sentence));
    if !record.cells.is_empty() {
        out.push_str("\n| cell | metric | A | B | change, interval | verdict |\n|---|---|---:|---:|---:|---|\n");
        rows(record, &mut out, row);
    }
    if !record.facts.warnings.is_empty() {
        out.push_str("\n### Before you trust it\n\n");
        for warning in &record.facts.warnings {
            line(&mut out, &format!("* **{}**: {}", text(&warning.kind), text(&warning.text)));
        }
    }
    out.push_str("\n### Reproduce\n\n");
    out.push_str(&fenced(&format::shell(&record.facts.command)));
    out.push_str("\n<details><summary>Details</summary>\n\n");
    details(record, &mut out);
    out.push_str("\n</details>\n");
    out
}

fn rows(record: &GateRecord, out: &mut String, row: impl Fn(&CellRecord, &Decision) -> String) {
    for cell in &record.cells {
        for decision in &cell.decisions {
            line(out, &row(cell, decision));
        }
    }
}

fn row(cell: &CellRecord, decision: &Decision) -> String {
    let look = decision.looks.last();
    let median = |of: Option<f64>| of.map_or_else(|| "–".to_string(), words::time);
    let verdict = words::verdict(decision.verdict);
    format!(
        "| {} | {} | {} | {} | {} | {verdict} |",
        text(&words::cell(&cell.cell)),
        words::metric(decision.metric),
        median(look.map(|look| look.a_ns)),
        median(look.map(|look| look.b_ns)),
        words::change(look)
    )
}

fn details(record: &GateRecord, out: &mut String) {
    let facts = &record.facts;
    for (name, side) in [("A, the baseline", &facts.baseline), ("B, the candidate", &facts.candidate)] {
        line(out, &format!("* {name}: {}", describe(side)));
    }
    let host = &facts.environment;
    line(out, &format!("* machine: {}, {}, {}", text(&host.cpu_model), cpus(host.cpus), text(&host.kernel)));
    line(
        out,
        &format!(
            "* load average {:.2} before, {:.2} after; {} of CPU time stolen",
            host.load_before,
            host.load_after,
            percent(host.steal)
        ),
    );
    line(out, &format!("* {} of measuring, seed {}", words::time(facts.elapsed_s * 1e9), record.seed));
    if record.cells.is_empty() {
        return;
    }
    out.push_str("\nEvery look, and the rule that declined a regression:\n\n");
    out.push_str("| cell | metric | pairs | change, interval | holds | agreement ");
    out.push_str("| no larger than | least effect | declined by |\n");
    out.push_str("|---|---|---:|---:|---:|---:|---:|---:|---|\n");
    for cell in &record.cells {
        for decision in &cell.decisions {
            looks(cell, decision, out);
        }
    }
    out.push_str("\nWhat became of each:\n\n");
    rows(record, out, |cell, decision| format!("* {}: {}", text(&words::cell(&cell.cell)), text(&decision.sentence)));
}

fn looks(cell: &CellRecord, decision: &Decision, out: &mut String) {
    for look in &decision.looks {
        let row = format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            text(&words::cell(&cell.cell)),
            words::metric(decision.metric),
            look.pairs,
            words::change(Some(look)),
            words::coverage(look),
            percent(look.agreement),
            signed_percent(look.no_larger_than),
            percent(look.least_effect),
            look.declined_by.map_or("none: flagged", words::rule)
        );
        line(out, &row);
    }
}

fn describe(side: &Side) -> String {
    format!("commit {}, binary {}, flags {}", text(&side.commit), text(&side.binary_hash), text(&side.flags))
}

fn cpus(cpus: u32) -> String {
    format::plural(u64::from(cpus), "CPU")
}

fn line(out: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Text of a record as Markdown that shows it and does nothing else: no markup, no cell of its own, no line of its own.
fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '@' => {
                shown.push('\\');
                shown.push(character);
            }
            '\n' | '\r' => shown.push(' '),
            _ => shown.push(character),
        }
    }
    shown
}

/// A block of code whose fence is longer than any that the text could close it with.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_record_is_no_markup() {
        assert_eq!(text("a|b\n<b>`*x*`"), "a\\|b &lt;b&gt;\\`\\*x\\*\\`");
        assert_eq!(fenced("a ```` b"), "`````sh\na ```` b\n`````\n");
    }
}
