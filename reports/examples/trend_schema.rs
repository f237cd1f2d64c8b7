//! Prints the JSON schema of a line of a trend:
//! `cargo run -p msgr-reports --example trend_schema > reports/schema/trend.v1.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(msgr_reports::trend::schema_json().as_bytes())
}
