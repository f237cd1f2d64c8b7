//! The gate, where there is nothing to compare or something ends it.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use msgr_reports::gate::{GateRecord, Outcome};
use support::{bench, fails};

/// As short as it can be.
const SHORT: &str = "--messengers async --sizes 64 --peers 1 --duration 10ms --warmup 0s --seed 7";

/// This program.
fn program() -> PathBuf {
    bench("").get_program().into()
}

/// A program in `dir` that answers `about` by `about`, and is this one in everything else but for what `script` does first.
fn impostor(dir: &Path, about: &str, script: &str) -> PathBuf {
    let path = dir.join("impostor");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = about ] && {{ echo '{about}'; exit 0; }}\n{script}\nexec {} \"$@\"\n",
        program().display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What this program says of itself.
fn about() -> String {
    let output = bench("about").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn verdict(dir: &Path) -> GateRecord {
    serde_json::from_slice(&fs::read(dir.join("gate.json")).unwrap()).unwrap()
}

#[test]
fn a_missing_or_foreign_baseline_says_what_to_build() {
    fails(
        &format!("gate --baseline /no/such/program {SHORT}"),
        2,
        &["the baseline /no/such/program is no file", "just gate"],
    );
    fails(&format!("gate --baseline /bin/true {SHORT}"), 2, &["does not say what it was built from"]);
    fails(&format!("gate --baseline {} --inject-latency 10", program().display()), 2, &["such as 10%"]);
}

#[test]
fn a_baseline_with_other_flags_is_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let other = about().replace("\"rustflags\":\"\"", "\"rustflags\":\"-Ctarget-cpu=native\"");
    let baseline = impostor(dir.path(), &other, "");
    fails(
        &format!("gate --baseline {} {SHORT}", baseline.display()),
        2,
        &["other flags", "target-cpu=native", "just gate"],
    );
}

#[test]
fn a_killed_child_is_an_error_and_leaves_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = impostor(dir.path(), &about(), "[ \"$1\" = load ] && kill -9 $$");
    let out = dir.path().join("out");
    let output =
        bench(&format!("gate --baseline {} {SHORT} --out {}", baseline.display(), out.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = verdict(&out);
    assert_eq!(verdict.outcome, Outcome::Error);
    assert!(verdict.sentence.contains("signal: 9"), "{}", verdict.sentence);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = impostor(dir.path(), &about(), "[ \"$1\" = load ] && exit 1");
    // A device without room, as a full disk is one.
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::create_dir(out.join("gate.json")).unwrap();
    let args = format!("gate --baseline {} {SHORT} --out {}", baseline.display(), out.display());
    fails(&args, 2, &["cannot write", "gate.json", "free space"]);
}

#[test]
fn a_verdict_goes_into_every_output_and_the_summary_of_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.md");
    let out = dir.path().join("out");
    let args = format!("gate --baseline {} {SHORT} --inject-latency 300% --out {}", program().display(), out.display());
    let output = bench(&args).env("GITHUB_STEP_SUMMARY", &summary).timeout(support::LONG * 3).output().unwrap();
    let verdict = verdict(&out);
    assert_eq!(output.status.code(), Some(i32::from(verdict.exit_code)), "{}", verdict.sentence);
    // Samples this short may leave the machine in doubt, but never call four times slower a pass.
    assert!(matches!(verdict.outcome, Outcome::Regression | Outcome::Inconclusive), "{}", verdict.sentence);
    for name in ["gate.json", "gate.junit.xml", "gate.md", "gate.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read(&summary).unwrap(), fs::read(out.join("gate.md")).unwrap());
}
