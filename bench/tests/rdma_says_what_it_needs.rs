//! Asking for RDMA where there is none, and where it does not go.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod support;

use support::{fails, succeeds};

/// Everything that asks for RDMA.
fn requests(out: &str) -> [String; 4] {
    [
        format!("run --messengers simple,rdma --peers 1 --out {out}"),
        "speed --messengers rdma".into(),
        "serve --messenger rdma --bind 127.0.0.1:0".into(),
        "load --messenger rdma --connect 127.0.0.1:1".into(),
    ]
}

/// Each of them fails with `words`, before anything is measured.
fn all_fail(words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for args in requests(&out.display().to_string()) {
        fails(&args, 2, words);
    }
    assert!(!out.exists());
}

#[cfg(not(feature = "rdma"))]
#[test]
fn a_program_without_rdma_says_how_to_build_one_with_it() {
    all_fail(&["built without RDMA", "--features rdma", "just rdma-setup", "just bench-rdma"]);
    assert!(succeeds("doctor").contains("RDMA: none: this msgr-bench was built without RDMA"));
}

#[cfg(feature = "rdma")]
#[test]
fn a_host_without_a_device_says_so_and_where_there_is_one() {
    if std::fs::read_dir("/sys/class/infiniband").is_ok_and(|mut devices| devices.next().is_some()) {
        eprintln!("skipped: this host has an RDMA device");
        return;
    }
    all_fail(&["opening the RDMA device", "just bench-rdma"]);
    assert!(succeeds("doctor").contains("RDMA: none: opening the RDMA device"));
}

#[test]
fn rdma_goes_with_rdma_only() {
    fails("run --messengers simple --load-messenger rdma", 2, &["--load-messenger rdma", "leave it out"]);
    fails("speed --messengers simple,rdma", 2, &["--messengers rdma alone"]);
    fails("speed --set ms_crc_data=false", 2, &["--messengers rdma"]);
    for trial in ["soak", "kill", "abuse", "leaks"] {
        fails(&format!("{trial} --messengers rdma"), 2, &["simple or async", "just rdma-test"]);
    }
}

#[test]
fn its_options_are_known_whether_it_is_built_or_not() {
    fails("run --set ms_async_rdma_poling_us=0", 2, &["did you mean ms_async_rdma_polling_us?"]);
    fails("run --set-load ms_async_rdma_polling_us=soon", 2, &["--set-load"]);
}
