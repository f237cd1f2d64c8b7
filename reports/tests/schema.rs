//! The checked-in schema of `run.json` is the one that the types give.

use std::path::Path;

use msgr_reports::record::schema_json;

#[test]
fn the_checked_in_schema_is_generated_from_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/run.v1.json");
    let checked_in = std::fs::read_to_string(&path).unwrap();
    assert!(
        checked_in == schema_json(),
        "reports/schema/run.v1.json differs from the types of reports/src/record/. If the change keeps old records \
         readable, regenerate it with\n\n    cargo run -p msgr-reports --example schema > \
         reports/schema/run.v1.json\n\nIf it changes what a member means, bump record::SCHEMA and keep a fixture of \
         the old version."
    );
}
