//! Leaves in the binary what it was built with: the compiler and its flags, the commit and the optimisation level. All of
//! them are optional: a source archive without git builds as well.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    set("MSGR_RUSTC", &output(&rustc, &["--version"]).unwrap_or_default());
    set("MSGR_GIT", &commit().unwrap_or_default());
    set("MSGR_OPT", &env::var("OPT_LEVEL").unwrap_or_default());
    // Cargo separates flags by a character that none contains.
    set("MSGR_RUSTFLAGS", &env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\x1f', " "));
    // Whether the tree is changed depends on every source file, and the commit on git's own files.
    for path in [
        "../Cargo.lock",
        "../messenger/src",
        "../simple/src",
        "../async_msgr/src",
        "../rdma/src",
        "../reports/src",
        "../bench/src",
        "../.git/HEAD",
        "../.git/logs/HEAD",
    ] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The commit, with `-dirty` when tracked files differ from it.
fn commit() -> Option<String> {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn set(name: &str, value: &str) {
    println!("cargo::rustc-env={name}={value}");
}
