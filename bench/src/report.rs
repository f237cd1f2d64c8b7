//! The verb `report`.

use msgr_reports::page;
use msgr_reports::record::Run;

use crate::cli::ReportArgs;
use crate::exit::Exit;
use crate::output;

/// Draws the page of a record again.
///
/// # Errors
///
/// When the record cannot be read or the page cannot be written.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let run = Run::load(&args.record)?;
    let beside = || args.record.parent().map(Into::into).unwrap_or_default();
    let dir = args.out.clone().unwrap_or_else(beside);
    let page = page::write_page(&run, &dir)?;
    output::line(&page.display().to_string())?;
    Ok(Exit::Done)
}
