//! Writes a made-up run and its page, to look at the page without measuring:
//! `cargo run -p msgr-reports --example synthetic -- DIR` writes DIR/run.json and DIR/index.html.

use std::path::PathBuf;

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("usage: synthetic DIR")?;
    std::fs::create_dir_all(&dir)?;
    let run = synthetic::run();
    run.save(&dir.join("run.json"))?;
    let page = msgr_reports::page::write_page(&run, &dir)?;
    println!("{}", page.display());
    Ok(())
}
