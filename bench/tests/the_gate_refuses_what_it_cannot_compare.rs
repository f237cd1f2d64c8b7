//! The gate, where there is nothing to compare or something ends it.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use msgr_reports::gate::{GateRecord, Outcome, Verdict};
use rustix::thread::{CpuSet, sched_getaffinity};
use support::{LONG, bench, fails};

/// As short as it can be: in less time a busy machine may let no message through, which is an error.
const SHORT: &str = "--messengers async --sizes 64 --peers 1 --duration 100ms --warmup 0s --seed 7";

/// Longer than a hundred pairs take on the slowest machine.
const PAIRS: Duration = LONG.saturating_mul(8);

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

/// A baseline whose copy, wherever it lies, is slower: what a machine looks like that tells identical programs apart.
fn fickle(dir: &Path) -> PathBuf {
    let script = "[ \"$1\" = serve ] && [ \"${0##*/}\" != impostor ] && set -- \"$@\" --inject-spin 300us";
    impostor(dir, &about(), script)
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
fn a_job_without_a_verdict_leaves_none_of_an_earlier_job() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("gate.json"), "{}").unwrap();
    fails(&format!("gate --baseline /no/such/program --out {}", dir.path().display()), 2, &["is no file"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
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

/// A directory in which not a byte more can be written, until this is dropped.
struct Full(tempfile::TempDir);

impl Full {
    /// `None`, and a word about it, where mounting is not permitted.
    fn mount() -> Option<Full> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path()).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: a small file system cannot be mounted here (run this as root)");
            return None;
        }
        let full = Full(dir);
        assert!(fs::write(full.path().join("filler"), vec![0; 1 << 20]).is_err(), "64 KiB hold a MiB");
        Some(full)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_asks_for_space_and_leaves_nothing_like_a_verdict() {
    let Some(full) = Full::mount() else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = format!("gate --baseline {} {SHORT} --out {}", fickle(dir.path()).display(), full.path().display());
    let output = bench(&args).timeout(PAIRS).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("gate.json"), "{stderr}");
    assert!(stderr.contains("No space left") && stderr.contains("free space"), "{stderr}");
    let left: Vec<_> = fs::read_dir(full.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["filler"]);
}

#[test]
fn a_full_temporary_directory_is_an_error_that_names_it() {
    let Some(full) = Full::mount() else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = format!("gate --baseline {} {SHORT} --out {}", program().display(), dir.path().display());
    let output = bench(&args).env("TMPDIR", full.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&full.path().display().to_string()) && stderr.contains("TMPDIR"), "{stderr}");
    assert!(!dir.path().join("gate.json").exists());
}

#[test]
fn a_machine_that_tells_identical_programs_apart_is_called_unfit() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = format!("gate --baseline {} {SHORT} --out {}", fickle(dir.path()).display(), out.display());
    let output = bench(&args).timeout(PAIRS).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = verdict(&out);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.cells[0].cell.control && verdict.cells[0].decisions[0].verdict == Verdict::Unfit);
    assert!(verdict.sentence.starts_with("This machine tells identical programs apart"), "{}", verdict.sentence);
    assert!(verdict.sentence.ends_with("run the gate on a quieter one."), "{}", verdict.sentence);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&verdict.sentence));
}

#[test]
fn a_machine_with_one_cpu_is_refused_before_anything_is_measured() {
    let allowed = sched_getaffinity(None).unwrap();
    let one = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let args = format!("gate --baseline {} {SHORT} --out {}", program().display(), dir.path().display());
    let output = Command::new("taskset")
        .args(["-c", &one.to_string()])
        .arg(program())
        .args(args.split_whitespace())
        .output()
        .expect("taskset, which is part of util-linux");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = verdict(dir.path());
    assert_eq!((verdict.outcome, verdict.cells.len()), (Outcome::Refused, 0));
    assert!(verdict.sentence.contains("1 CPU may be used"), "{}", verdict.sentence);
    assert!(verdict.sentence.ends_with("run the gate on a larger machine."), "{}", verdict.sentence);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = impostor(dir.path(), &about(), "[ \"$1\" = load ] && exit 1");
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
    let output = bench(&args).env("GITHUB_STEP_SUMMARY", &summary).timeout(PAIRS).output().unwrap();
    let verdict = verdict(&out);
    assert_eq!(output.status.code(), Some(i32::from(verdict.exit_code)), "{}", verdict.sentence);
    // Samples this short may leave the machine in doubt, but never call four times slower a pass.
    assert!(matches!(verdict.outcome, Outcome::Regression | Outcome::Inconclusive), "{}", verdict.sentence);
    for name in ["gate.json", "gate.junit.xml", "gate.md", "gate.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read(&summary).unwrap(), fs::read(out.join("gate.md")).unwrap());
}
