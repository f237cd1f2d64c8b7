//! What every page must be: self-contained, complete, safe and the same each time.

use std::collections::BTreeMap;
use std::path::Path;

use hdrhistogram::Histogram;
use msgr_reports::page::{render, write_page};
use msgr_reports::record::{Environment, Latency, Limit, Plan, Probe, Run, Sample, Warning, Workload};

fn fixture() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run.v1.json");
    Run::load(&path).expect("the fixture stays readable")
}

fn page() -> String {
    render(&fixture()).expect("the fixture can be drawn")
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page();
    for needle in ["http://", "https://", "src=", "<script", "<iframe", "@import", "url(", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(needle), "the page contains {needle}");
    }
    // Without it a browser asks for /favicon.ico.
    assert!(page.contains(r#"<link rel="icon" href="data:,">"#));
}

#[test]
fn every_plot_is_named_and_has_its_table() {
    let page = page();
    let figures: Vec<&str> = page.split("<figure ").skip(1).collect();
    // Nine metrics and three percentile curves of the ping-pong, seven metrics of the stream.
    assert_eq!(figures.len(), 19);
    for figure in figures {
        let figure = figure.split("</figure>").next().unwrap();
        for part in ["<h3>", "role=\"img\"", "<title id=", "<desc id=", "<details>", "<caption>", "<th scope=\"row\">"]
        {
            assert!(figure.contains(part), "a figure lacks {part}:\n{}", &figure[..figure.len().min(400)]);
        }
    }
}

#[test]
fn identifiers_are_unique() {
    let page = page();
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn each_messenger_is_drawn_in_its_own_class_and_no_literal_colour_is_left() {
    let page = page();
    for class in ["simple", "async", "floor"] {
        for role in ["line", "marker", "interval", "name"] {
            assert!(page.contains(&format!("class=\"{role} {class}\"")), "{role} {class}");
        }
    }
    assert!(!page.contains("class=\"line rdma\""), "a messenger that was not measured is drawn");
    assert!(!page.contains("stroke=\"#") && !page.contains("fill=\"#"), "a stand-in colour was not replaced");
}

#[test]
fn text_of_a_record_is_never_markup() {
    let hostile = r#"<script>alert("1")</script>&'"#;
    let mut run = fixture();
    run.plan.options = BTreeMap::from([(hostile.to_string(), hostile.to_string())]);
    run.command.push(hostile.to_string());
    run.warnings.push(Warning { kind: hostile.to_string(), text: hostile.to_string() });
    run.started = hostile.to_string();
    run.tool_version = hostile.to_string();
    run.environment.cpu_model = hostile.to_string();
    run.environment.git = Some(hostile.to_string());
    run.environment.limits = vec![Limit { name: hostile.to_string(), value: 1, source: hostile.to_string() }];
    run.samples[0].messenger = hostile.to_string();
    run.samples[0].load_messenger = hostile.to_string();
    for sample in &mut run.samples {
        sample.server.threads_by_name.insert(hostile.to_string(), 1);
        sample.server.counters.insert(hostile.to_string(), 1);
    }
    let page = render(&run).unwrap();
    assert!(!page.contains("<script") && !page.contains("alert(\"1\")"));
    assert!(page.contains("alert("), "the text itself must be shown");
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    assert_eq!(page(), page());
}

#[test]
fn a_page_of_six_peer_counts_stays_small() {
    let bytes = page().len();
    assert!(bytes < 512 * 1024, "{bytes} bytes");
}

/// Round trips of a long tail, with three digits.
fn round_trips(random: &mut fastrand::Rng, count: u64) -> Latency {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits are allowed");
    for _ in 0..count {
        histogram.record((20_000.0 / (0.001 + random.f64())) as u64).expect("the histogram resizes itself");
    }
    Latency::from_histogram(&histogram).expect("the histogram is small")
}

#[test]
fn a_page_of_seven_peer_counts_four_kinds_and_fine_histograms_stays_below_two_mebibytes() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut run = fixture();
    let taken = run.samples.iter().find(|sample| sample.workload == Workload::PingPong).unwrap().clone();
    run.samples.clear();
    for round in 0..5 {
        for peers in [1, 4, 16, 64, 256, 1024, 4096] {
            for kind in ["simple", "async", "zmq", "tcp"] {
                let latency = Some(round_trips(&mut random, 40_000));
                run.samples.push(Sample { round, peers, messenger: kind.to_string(), latency, ..taken.clone() });
            }
        }
    }
    let bytes = render(&run).unwrap().len();
    assert!(bytes < 2 * 1024 * 1024, "{bytes} bytes");
}

#[test]
fn a_record_in_which_simple_is_better_everywhere_says_so() {
    let mut run = fixture();
    for sample in &mut run.samples {
        sample.messenger = match sample.messenger.as_str() {
            "simple" => "async".to_string(),
            "async" => "simple".to_string(),
            other => other.to_string(),
        };
    }
    let page = render(&run).unwrap();
    let findings = page.split("<section class=\"findings\"").nth(1).unwrap().split("</section>").next().unwrap();
    for figure in ["median round trip", "p99 round trip", "CPU time per message"] {
        assert!(findings.contains(&format!("simple&#39;s {figure} is lower than async&#39;s at every peer count: 0.")));
    }
    assert!(findings.contains("simple&#39;s throughput is higher than async&#39;s at every peer count: "));
    assert!(!findings.contains("async&#39;s median") && !findings.contains("overtakes"), "{findings}");
}

#[test]
fn the_command_can_be_pasted_into_a_shell() {
    let mut run = fixture();
    run.command = ["msgr-bench", "run", "--out", "my dir"].map(String::from).to_vec();
    run.environment.git = Some("4f0c2d9-dirty".to_string());
    let page = render(&run).unwrap();
    assert!(page.contains("git checkout 4f0c2d9  # and the changes"));
    assert!(page.contains("msgr-bench run --out &#39;my dir&#39;"));
}

#[test]
fn a_page_is_written_into_a_directory_that_did_not_exist() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = write_page(&fixture(), &dir.path().join("a/b")).unwrap();
    assert!(path.ends_with("a/b/index.html"));
    assert!(std::fs::read_to_string(path).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn incomplete_records_are_drawn_as_far_as_they_go() {
    type Cut = fn(&mut Run);
    let cuts: [(&str, Cut); 12] = [
        ("no samples", |run| run.samples.clear()),
        ("one sample", |run| run.samples.truncate(1)),
        ("only the floor", |run| run.samples.retain(|s| s.messenger == "tcp")),
        ("no floor", |run| run.samples.retain(|s| s.messenger != "tcp")),
        ("one messenger", |run| run.samples.retain(|s| s.messenger == "async")),
        ("one round", |run| run.samples.retain(|s| s.round == 0)),
        ("one peer count", |run| run.samples.retain(|s| s.peers == 64)),
        ("holes", |run| {
            let mut i = 0;
            run.samples.retain(|_| {
                i += 1;
                i % 3 != 0
            });
        }),
        ("no messages", |run| {
            for sample in &mut run.samples {
                (sample.messages, sample.bytes, sample.elapsed_ns, sample.connect_ns) = (0, 0, 0, 0);
                sample.latency = None;
            }
        }),
        ("damaged histograms", |run| {
            for latency in run.samples.iter_mut().filter_map(|s| s.latency.as_mut()) {
                latency.hdr = "damaged".to_string();
            }
        }),
        ("largest values", |run| {
            for sample in &mut run.samples {
                sample.messages = u64::MAX;
                sample.elapsed_ns = 1;
                sample.peers = u32::MAX;
                sample.size = u64::MAX;
                sample.server.cpu_user_us = u64::MAX;
                sample.server.cpu_sys_us = u64::MAX;
                sample.server.ctx_voluntary = u64::MAX;
                sample.server.ctx_involuntary = u64::MAX;
                sample.server.rss = u64::MAX;
            }
        }),
        ("nothing known", |run| {
            run.environment = Environment::default();
            run.plan = Plan { workloads: vec![Workload::Stream], ..Plan::default() };
            run.command.clear();
            run.elapsed_s = f64::NAN;
        }),
    ];
    for (what, cut) in cuts {
        let mut run = fixture();
        run.partial = true;
        cut(&mut run);
        let page = render(&run).unwrap();
        assert!(page.ends_with("</html>"), "{what}");
        for word in ["NaN", "inf"] {
            let bare = page.replace("interval", "").replace("info", "");
            assert!(!bare.contains(&format!(">{word}")), "{what}: {word} on the page");
            assert!(!bare.contains(&format!("\"{word}\"")), "{what}: {word} in a figure");
        }
    }
}

#[test]
fn an_emulated_machine_is_named_in_the_title_and_beside_every_plot_and_table_of_figures() {
    assert!(!page().contains("class=\"emulated\""));
    let mut run = fixture();
    run.environment.cpu_model = "QEMU TCG CPU version 2.5+".to_string();
    let page = render(&run).unwrap();
    assert!(page.contains("<title>Emulated machine (TCG)") && page.contains("<h1>Emulated machine (TCG)"));
    for figure in page.split("<figure ").skip(1) {
        assert!(figure.split("<svg").next().unwrap().contains("class=\"emulated\""), "{}", &figure[..200]);
    }
    let captions = page.split("<caption>").skip(1).filter_map(|rest| rest.split("</caption>").next());
    for caption in captions.filter(|caption| !caption.starts_with("Options") && !caption.starts_with("Limits")) {
        assert!(caption.contains("class=\"emulated\""), "{caption}");
    }
}

#[test]
fn bare_verbs_are_a_floor_of_rdma_of_which_the_process_is_not_known() {
    let mut run = fixture();
    for sample in &mut run.samples {
        match sample.messenger.as_str() {
            "async" => sample.messenger = "rdma".to_string(),
            "simple" => {
                sample.messenger = "verbs".to_string();
                sample.server = Probe::default();
            }
            _ => {}
        }
    }
    let page = render(&run).unwrap();
    assert!(page.contains("<h1>The rdma messenger at"), "bare verbs are no messenger");
    assert!(page.contains("Ratio to bare verbs in the same round") && page.contains("Ratio to bare TCP"));
    let threads = page.split("-threads\">").nth(1).unwrap().split("</svg>").next().unwrap();
    assert!(!threads.contains("marker verbs") && page.contains("marker verbs"));
}

#[test]
fn one_round_claims_no_difference() {
    let mut run = fixture();
    run.samples.retain(|sample| sample.round == 0);
    let page = render(&run).unwrap();
    assert!(page.contains("few-rounds"));
    assert!(!page.contains("is lower than") && !page.contains("overtakes"));
}
