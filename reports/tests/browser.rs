//! The pages in a real browser: they load without a console message and without asking the network for anything, and axe-core
//! finds nothing in their way that keeps people out.
//!
//! Needs Chromium, and axe-core where `.ci/axe` puts it; without them the tests say so and pass, except with CI=true.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use msgr_reports::gate;
use msgr_reports::page;
use msgr_reports::record::{Run, Workload};
use msgr_reports::trend::{Entry, Trend, write_page as write_trend};

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

/// The colours that a reader prefers, as the browser's setting for them.
const LIGHT: &str = "--blink-settings=preferredColorScheme=1";
const DARK: &str = "--blink-settings=preferredColorScheme=0";

fn visit(browser: &str, page: &Path, colours: &str) -> Visit {
    let profile = tempfile::tempdir().unwrap();
    let (port, requests) = network();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=http://127.0.0.1:{port}"))
        .args(["--proxy-bypass-list=<-loopback>", "--dump-dom", "--virtual-time-budget=60000", colours])
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

fn fixture() -> Run {
    Run::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/run.v1.json"))).unwrap()
}

#[test]
fn the_page_opens_in_chromium_without_console_message_or_network_request() {
    let Some(browser) = browser() else { return };
    let run = fixture();
    let dir = tempfile::tempdir().unwrap();
    let visit = visit(browser, &page::write_page(&run, dir.path()).unwrap(), LIGHT);
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
    let visit = visit(browser, &page, LIGHT);
    assert!(visit.console.iter().any(|line| line.contains("no")), "{:#?}", visit.console);
    assert!(visit.requests.iter().any(|line| line.contains("pictures.test")), "{:#?}", visit.requests);
}

/// axe-core, which `.ci/axe` fetches.
fn axe() -> Option<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/axe/node_modules/axe-core/axe.min.js");
    let script = fs::read_to_string(path).ok();
    if script.is_none() {
        assert!(std::env::var("CI").is_err(), "CI has no axe-core: run .ci/axe");
        eprintln!("skipped: no axe-core here (.ci/axe fetches it)");
    }
    script
}

/// What axe-core finds serious or critical on a page whose tables are all open.
fn barriers(browser: &str, axe: &str, page: &Path, colours: &str) -> Vec<String> {
    let look = "for (const it of document.querySelectorAll('details')) it.open = true;
        axe.run().then(found => {
            const grave = found.violations.filter(it => it.impact === 'serious' || it.impact === 'critical');
            for (const it of grave) console.error('BARRIER ' + it.id + ' ' + it.nodes[0].target + ' ' + it.nodes.length);
            console.error('LOOKED ' + found.passes.length);
        });";
    // A copy of the page with the checker in it: the page itself has no script.
    let checked = page.with_extension("checked.html");
    let axe = axe.replace("</script", "<\\/script");
    let text = fs::read_to_string(page).unwrap();
    fs::write(&checked, format!("{text}<script>{axe}</script><script>{look}</script>")).unwrap();
    let visit = visit(browser, &checked, colours);
    assert!(visit.console.iter().any(|line| line.contains("LOOKED")), "axe-core did not run: {:#?}", visit.console);
    visit.console.into_iter().filter(|line| line.contains("BARRIER")).collect()
}

/// The record of a gate that found one cell slower.
fn gated() -> gate::GateRecord {
    let workload = Workload::PingPong;
    let cell = |control| gate::Cell { messenger: "async".into(), workload, size: 64, peers: 1, in_flight: 1, control };
    let mut job = gate::Gate::new(vec![cell(true), cell(false)], 1).unwrap();
    let side = |ns: f64, latency| gate::Values { p50_ns: ns, p99_ns: 2.0 * ns, cpu_ns: ns / 5.0, latency };
    let latency = fixture().samples.into_iter().find_map(|sample| sample.latency);
    while let gate::Next::Pairs { cell, orders, .. } = job.next() {
        let (a, b) = (side(50_000.0, latency.clone()), side(50_000.0 + 15_000.0 * cell as f64, latency.clone()));
        job.feed(cell, gate::Pair { order: orders[0], stage: gate::Stage::Main, a, b }).unwrap();
    }
    job.finish(gate::Facts::default())
}

/// A trend of that job, with a shift half-way.
fn kept() -> Trend {
    let job = |number: usize| {
        let mut entry = Entry::of(&gated());
        (entry.started, entry.commit) = (format!("2026-01-{:02}T00:00:00Z", number + 1), format!("{:07x}", number + 1));
        entry.baseline = format!("{number:07x}");
        let slower = if number < 15 { 1.0 } else { 2.0 };
        entry.cells.iter_mut().flat_map(|cell| &mut cell.figures).for_each(|figure| figure.ns *= slower);
        entry
    };
    Trend { entries: (0..30).map(job).collect(), skipped: vec!["one is damaged".into()] }
}

#[test]
fn no_page_keeps_anybody_out_in_light_or_in_dark() {
    let (Some(browser), Some(axe)) = (browser(), axe()) else { return };
    let run = fixture();
    let dir = tempfile::tempdir().unwrap();
    let pages = [
        gate::write(&gated(), dir.path()).unwrap().page,
        write_trend(&kept(), dir.path()).unwrap(),
        page::write_page(&run, dir.path()).unwrap(),
        page::write_comparison(&run, &run, dir.path()).unwrap(),
        page::write_index(&[page::Saved { dir: "run".into(), run }], vec!["one is damaged".into()], dir.path())
            .unwrap(),
    ];
    for page in &pages {
        for colours in [LIGHT, DARK] {
            let found = barriers(browser, &axe, page, colours);
            assert!(found.is_empty(), "{} {colours}: {found:#?}", page.display());
        }
    }
}

#[test]
fn a_page_that_keeps_people_out_is_noticed() {
    let (Some(browser), Some(axe)) = (browser(), axe()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("bad.html");
    fs::write(&page, "<html lang=en><title>t</title><p style='color:#ccc;background:#fff'>pale</p>").unwrap();
    let found = barriers(browser, &axe, &page, LIGHT);
    assert!(found.iter().any(|line| line.contains("color-contrast")), "{found:#?}");
}
