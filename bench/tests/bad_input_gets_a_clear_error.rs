//! What a person types wrong, and what the host does not allow.

mod support;

use std::fs;
use std::io::Write;
use std::process::Command;

use support::{bench, fails, free, succeeds, taken};

#[test]
fn help_is_no_error_and_a_missing_verb_is_one() {
    for verb in ["", "run", "serve", "load", "report", "compare", "index", "doctor", "speed"] {
        assert!(succeeds(&format!("{verb} --help")).contains("Usage"), "{verb}");
    }
    fails("", 2, &["Usage"]);
    fails("run --colour red", 2, &["--colour"]);
}

#[test]
fn an_unknown_messenger_is_answered_with_the_list() {
    for args in [
        "run --messengers simple,rmda",
        "run --load-messenger rmda",
        "serve --messenger rmda --bind 127.0.0.1:0",
        "load --messenger rmda --connect 127.0.0.1:1",
    ] {
        fails(args, 2, &["rmda", "simple, async"]);
    }
}

#[test]
fn an_unknown_option_names_the_nearest() {
    for verb in ["run", "serve --messenger async --bind 127.0.0.1:0", "load --messenger async --connect 127.0.0.1:1"] {
        fails(&format!("{verb} --set ms_crc_dta=1"), 2, &["did you mean ms_crc_data?"]);
    }
    fails("run --set ms_crc_data", 2, &["ms_crc_data=false"]);
    fails("run --set ms_crc_data=maybe", 2, &["true or false"]);
}

#[test]
fn sizes_durations_and_counts_say_what_they_take() {
    fails("run --sizes 4parsecs", 2, &["4parsecs", "4KiB"]);
    fails("run --sizes 0", 2, &["from 1 byte"]);
    fails("run --duration 2", 2, &["2s, 500ms or 1m"]);
    fails("run --duration 0s", 2, &["longer than nothing"]);
    fails("run --peers 1,0", 2, &["from 1 to"]);
    fails("run --workload pingpong", 2, &["ping-pong, under-load or stream"]);
    fails("run --pin both", 2, &["none", "split"]);
    fails("serve --messenger tcp --bind localhost", 2, &["127.0.0.1:6800"]);
}

#[test]
fn more_peers_than_the_host_allows_are_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // There are fewer local ports than this on any host.
    let args = format!("run --messengers async --peers 1,65535 --out {}", out.display());
    fails(&args, 4, &["65535 peers of async", "leaves room for", "it comes from"]);
    assert!(!out.exists());
}

#[test]
fn an_address_in_use_says_what_to_do() {
    let (_listener, address) = taken();
    for kind in ["simple", "async"] {
        // One try: the default waits for a predecessor to go away.
        let args =
            format!("serve --messenger {kind} --bind {address} --control 127.0.0.1:0 --set ms_bind_retry_count=0");
        fails(&args, 2, &[&address, "in use", "another port"]);
    }
    fails(&format!("serve --messenger tcp --bind {address} --control 127.0.0.1:0"), 2, &[&address, "another port"]);
    let args = format!("serve --messenger tcp --bind 127.0.0.1:0 --control {address}");
    fails(&args, 2, &[&address, "--control with another port"]);
}

#[test]
fn a_load_without_a_server_says_how_to_start_one() {
    let control = free();
    let args = format!("load --messenger async --connect {} --control {control}", free());
    fails(&args, 2, &[&control, "msgr-bench serve --control"]);
}

#[test]
fn an_output_directory_that_cannot_be_made_ends_the_run_before_it_begins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let args = format!("run --messengers tcp --peers 1 --out {}/out", file.path().display());
    fails(&args, 2, &["cannot make the directory", "--out"]);
}

#[test]
fn a_broken_record_names_the_file_and_its_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.json");
    let report = || format!("report {}", path.display());
    fails(&report(), 2, &["cannot read", "run.json"]);
    for (text, fault) in [
        ("{\"schema\": \"msgr.r", "cut short"),
        ("hello", "not JSON"),
        ("{\"a\": 1}", "no run record"),
        ("{\"schema\": \"msgr.run.v9\"}", "draw it with the msgr-bench that wrote it"),
        ("{\"schema\": \"msgr.run.v1\"}", "does not follow"),
    ] {
        fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        fails(&report(), 2, &[fault, "run.json"]);
        fails(&format!("compare {0} {0}", path.display()), 2, &[fault, "run.json"]);
    }
    assert!(!dir.path().join("index.html").exists());
}

#[test]
fn an_index_leaves_out_what_cannot_be_read_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fails(&format!("index {}", dir.path().display()), 2, &["no run.json below", "run --out DIR/NAME"]);
    for name in ["good", "damaged"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("damaged/run.json"), "hello").unwrap();
    let good = dir.path().join("good").display().to_string();
    succeeds(&format!("run --messengers tcp --peers 1 --rounds 1 --duration 20ms --warmup 0s --out {good}"));
    succeeds(&format!("index {}", dir.path().display()));
    let page = fs::read_to_string(dir.path().join("runs.html")).unwrap();
    assert!(page.contains("good/index.html") && page.contains("damaged/run.json is not JSON"));
}

#[test]
fn a_scenario_that_is_unknown_or_wrong_says_what_would_be_right() {
    fails("run --scenario latencies", 2, &["there is no scenario", "noisy-neighbour", "path of a file"]);
    fails("run --scenario no/such.toml", 2, &["cannot read the scenario no/such.toml"]);
    fails("run --scenario latency --peers 4", 2, &["cannot be used with"]);
    fails("run --workload under-load --share 0", 2, &["percent of the ceiling"]);
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(&file, "about = \"\"\n[[measure]]\nworkload = \"ping\"\npeers = [1]\nsizes = [64]\n").unwrap();
    fails(&format!("run --scenario {}", file.path().display()), 2, &["[[measure]] 1: workload", "ping-pong"]);
}

#[test]
fn the_doctor_names_each_limit_and_what_it_caps() {
    let text = succeeds("doctor");
    for word in
        ["pid_max", "nofile hard", "ip_local_port_range", "max_map_count", "simple under async load", "capped by"]
    {
        assert!(text.contains(word), "{word}:\n{text}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let program = bench("").get_program().to_owned();
    let ended = Command::new("sh").args(["-c", "\"$0\" doctor | true"]).arg(program).output().unwrap();
    assert!(!String::from_utf8_lossy(&ended.stderr).contains("panicked"));
}
