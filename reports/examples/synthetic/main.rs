//! Writes a made-up run and its page, to look at the page without measuring:
//! `cargo run -p msgr-reports --example synthetic -- DIR` writes DIR/run.json and DIR/index.html;
//! `-- DIR default` writes a run like that of the default scenario, and one beside a neighbour.
//!
//! The same program gives the same record, byte for byte; `reports/tests/fixtures/default.v1.json` was made this way.

mod default_plan;
mod default_run;
mod machine;
mod older;

use std::path::PathBuf;

const USAGE: &str = "usage: synthetic DIR [default]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let dir = args.next().map(PathBuf::from).ok_or(USAGE)?;
    let run = match args.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        None => older::run(),
        Some("default") => default_run::run(),
        Some(_) => return Err(USAGE.into()),
    };
    std::fs::create_dir_all(&dir)?;
    run.save(&dir.join("run.json"))?;
    let page = msgr_reports::page::write_page(&run, &dir)?;
    println!("{}", page.display());
    Ok(())
}
