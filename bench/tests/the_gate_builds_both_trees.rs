//! `.ci/gate` builds the program of either commit, in a repository that is not this one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;

/// A program that stands where `msgr-bench` does: asked for a gate it shows what the two programs say of themselves, and its
/// options.
const PROGRAM: &str = r#"
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        println!("{}", toy::WORD);
    }
    for (i, option) in args.iter().enumerate().filter(|(_, arg)| arg.starts_with("--")) {
        let value = args.get(i + 1).map_or("", |value| value);
        if option == "--baseline" || option == "--candidate" {
            let said = std::process::Command::new(value).output().unwrap().stdout;
            print!("{option} says {}", String::from_utf8(said).unwrap());
        } else {
            println!("{option} {value}");
        }
    }
}
"#;

/// A repository of one package with that program.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Repository {
        let repository = Repository { dir: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet"]);
        repository.write("Cargo.toml", "[package]\nname = \"toy\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        repository.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"toy\"\nversion = \"0.1.0\"\n");
        repository.write("src/lib.rs", "pub const WORD: &str = \"one\";\n");
        repository.write(".gitignore", "/target\n");
        repository.commit("begin");
        repository
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]);
        let output = git.args(args).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything; gives the commit as the gate names it.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "--short=12", "HEAD"])
    }

    fn gate(&self, args: &[&str]) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.ci/gate");
        let mut gate = Command::new(script);
        gate.args(args).current_dir(self.path()).env("GATE_PACKAGE", "toy").env("GATE_BIN", "toy");
        gate.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        gate
    }
}

#[test]
fn either_program_is_that_of_its_own_commit_and_a_trailer_accepts() {
    let repository = Repository::new();
    repository.write("src/main.rs", PROGRAM);
    let first = repository.commit("a program");
    // Changed before the baseline is built, as always: it must not be taken for up to date.
    repository.write("src/lib.rs", "pub const WORD: &str = \"two\";\n");
    let second = repository.commit("another word\n\nPerf-Regression-Accepted: two is longer");
    let shown = repository.gate(&["HEAD~1", "--out", "here"]).assert().success().get_output().stdout.clone();
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        format!(
            "--baseline says one\n--baseline-commit {first}\n--candidate says two\n--candidate-commit {second}\n\
             --accept two is longer\n--out here\n"
        )
    );
    // The same again, with the baseline that was kept, and a change that is not committed.
    repository.write("src/lib.rs", "pub const WORD: &str = \"three\";\n");
    let again = repository.gate(&["HEAD~1"]).assert().success().get_output().stdout.clone();
    let again = String::from_utf8(again).unwrap();
    assert!(again.starts_with("--baseline says one\n") && again.contains("--candidate says three\n"), "{again}");
    assert!(again.contains(&format!("--candidate-commit {second}-dirty\n")), "{again}");
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1, "no tree is left behind");
}

#[test]
fn a_base_that_is_unknown_or_has_no_program_is_told_with_exit_code_2() {
    let repository = Repository::new();
    repository.write("src/main.rs", PROGRAM);
    repository.commit("a program");
    let error = |base: &str| {
        let output = repository.gate(&[base]).assert().code(2).get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(error("nowhere").contains("there is no commit nowhere that this tree goes back to: fetch it"));
    assert!(error("HEAD~1").contains("has no program toy yet, the gate begins with the next change"));
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1, "no tree is left behind");
}
