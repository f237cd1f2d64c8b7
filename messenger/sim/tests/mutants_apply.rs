//! The patches of the mutants fit the code they are to break: `just sim-mutants` tries what they do.
#![allow(clippy::unwrap_used)] // in helpers as in tests

use std::path::Path;
use std::process::Command;

#[test]
fn every_mutant_applies_to_the_present_code() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).unwrap();
    let mut patches = 0;
    for patch in std::fs::read_dir(here.join("mutants")).unwrap() {
        let patch = patch.unwrap().path();
        let applied = match Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root).output() {
            Ok(applied) => applied,
            Err(error) => return println!("skipped: no git here ({error})"),
        };
        assert!(
            applied.status.success(),
            "{} does not apply; make it anew against the present code: {}",
            patch.display(),
            String::from_utf8_lossy(&applied.stderr)
        );
        patches += 1;
    }
    assert!(patches >= 6, "only {patches} mutants");
}
