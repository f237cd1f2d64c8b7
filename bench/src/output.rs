//! Text for people: results on stdout, everything else on stderr.

use std::io::{self, ErrorKind, Write};

/// Writes a line to stdout.
///
/// # Errors
///
/// When stdout cannot be written; a reader that has gone away (`msgr-bench doctor | head`) is no error.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a note to stderr. There is nowhere to tell that stderr is gone.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes an error and its causes to stderr, as one line.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("{ERROR_PREFIX}{error:#}"));
}

/// What the line of an error begins with, in this process and in its children.
pub(crate) const ERROR_PREFIX: &str = "error: ";

/// Lays rows out in columns, the first left-aligned and the others right-aligned.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_rows_hold() {
        let rows = [vec!["what".into(), "n".into()], vec!["a".into(), "1024".into()], vec!["lone".into()]];
        assert_eq!(table(&rows), "what     n\na     1024\nlone\n");
    }
}
