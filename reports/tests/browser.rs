//! The page in a real browser: it loads without a console message and without asking the network for anything.
//!
//! Needs Chromium; without it the test says so and passes, except with CI=true.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use msgr_reports::page;
use msgr_reports::record::Run;

/// Hosts that the browser itself asks for updates, whatever page is open.
const THE_BROWSERS_OWN: [&str; 3] = ["google.com", "googleapis.com", "gstatic.com"];

fn browser() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "CI has no Chromium: apt-get install chromium");
        eprintln!("skipped: no Chromium here (apt-get install chromium)");
    }
    found
}

/// Stands in for the whole network: notes the first line of whatever is asked of it, and answers nothing.
fn network() -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_ok() && asked.send(line).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

/// What a page made the browser do.
struct Visit {
    dom: String,
    console: Vec<String>,
    requests: Vec<String>,
}

fn visit(browser: &str, page: &Path) -> Visit {
    let profile = tempfile::tempdir().unwrap();
    let (port, requests) = network();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=http://127.0.0.1:{port}"))
        .args(["--proxy-bypass-list=<-loopback>", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let own = |line: &String| THE_BROWSERS_OWN.iter().any(|host| line.contains(host));
    Visit {
        dom: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        requests: requests.try_iter().filter(|line| !own(line)).collect(),
    }
}

#[test]
fn the_page_opens_in_chromium_without_console_message_or_network_request() {
    let Some(browser) = browser() else { return };
    let run = Run::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/run.v1.json"))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let visit = visit(browser, &page::write_page(&run, dir.path()).unwrap());
    assert!(visit.dom.contains("<svg"), "the page has no plot:\n{}", visit.dom);
    assert!(visit.console.is_empty(), "{:#?}", visit.console);
    assert!(visit.requests.is_empty(), "{:#?}", visit.requests);
}

#[test]
fn a_page_that_complains_and_asks_the_network_is_noticed() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("bad.html");
    fs::write(&page, "<img src='http://pictures.test/x.png'><script>console.error('no')</script>").unwrap();
    let visit = visit(browser, &page);
    assert!(visit.console.iter().any(|line| line.contains("no")), "{:#?}", visit.console);
    assert!(visit.requests.iter().any(|line| line.contains("pictures.test")), "{:#?}", visit.requests);
}
