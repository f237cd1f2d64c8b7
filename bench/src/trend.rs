//! The verb `trend`: adds verdicts of the gate to a trend, and draws it.

use msgr_reports::trend::{self, Entry, Trend};

use crate::cli::TrendArgs;
use crate::exit::Exit;
use crate::output;

/// The verb.
///
/// # Errors
///
/// When a verdict or the trend cannot be read, or the trend or its page cannot be written.
pub(crate) fn trend(args: &TrendArgs) -> anyhow::Result<Exit> {
    let begins = !args.add.is_empty() && !args.file.exists();
    let mut trend = if begins { Trend::default() } else { Trend::load(&args.file)? };
    // All are read before one is added, so that a mistaken path adds nothing.
    let entries: Vec<Entry> =
        args.add.iter().map(|path| Ok(Entry::of(&trend::load_gate(path)?))).collect::<anyhow::Result<_>>()?;
    for (entry, path) in entries.into_iter().zip(&args.add) {
        if !trend.add(entry, &args.file)? {
            output::note(&format!("{} is in {} already", path.display(), args.file.display()));
        }
    }
    for sentence in &trend.skipped {
        output::note(sentence);
    }
    for sentence in trend.shifts() {
        output::line(&sentence)?;
    }
    output::line(&trend::write_page(&trend, &args.out)?.display().to_string())?;
    Ok(Exit::Done)
}
