//! Prints the JSON schema of `gate.json`: `cargo run -p msgr-reports --example gate_schema > reports/schema/gate.v1.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(msgr_reports::gate::schema_json().as_bytes())
}
