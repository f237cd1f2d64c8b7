//! Prints the JSON schema of `run.json`: `cargo run -p msgr-reports --example schema > reports/schema/run.v1.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(msgr_reports::record::schema_json().as_bytes())
}
