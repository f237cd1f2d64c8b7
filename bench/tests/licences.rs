//! Every dependency may be used under one of the licences the project accepts, also those that only a feature needs.
//!
//! Libraries that the system provides are none of them: libzmq (LGPL-3.0 or MPL-2.0, by its version) and libibverbs are linked
//! dynamically, and may be replaced by whoever runs the program.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use spdx::{Expression, ParseMode};

/// Permissive licences that go with MIT OR Apache-2.0.
const ACCEPTED: [&str; 9] =
    ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unicode-3.0", "0BSD", "CC0-1.0"];

#[test]
fn every_dependency_has_an_accepted_licence() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "cargo metadata lists {} packages", packages.len());
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap();
        let accepted =
            expression.evaluate(|requirement| requirement.license.id().is_some_and(|id| ACCEPTED.contains(&id.name)));
        assert!(accepted, "{name} is under {licence}");
    }
}
