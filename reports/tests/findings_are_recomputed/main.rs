//! Every finding on the page is computed again, from the raw samples and with arithmetic of this test alone: medians,
//! spreads, ratios, laws and who did better where. A sentence with a figure, a place or a messenger that the samples do not
//! have is refused, and so is a page that lacks a sentence.
#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

mod arithmetic;
mod contest;
mod page;
mod ratios;
mod resources;
mod samples;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use msgr_reports::page::render;
use msgr_reports::record::Run;
use page::{Sentence, sentences};
use samples::Section;

/// The record of older days, and one like that of the default run.
const RECORDS: [&str; 2] = ["run.v1.json", "default.v1.json"];

fn record(name: &str) -> Run {
    Run::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// Checks a sentence against the samples of its section; gives what it is about.
fn check(section: &Section<'_>, sentence: &Sentence) -> Result<String, String> {
    let alone = |checked: Result<(), String>| checked.map(|()| String::new());
    let text = &sentence.text;
    match sentence.topic.as_str() {
        "Threads" => alone(resources::threads(section, text)),
        "Memory" => alone(resources::memory(section, sentence)),
        "Floor" => ratios::floor(section, text),
        "Neighbour" => ratios::neighbour(section, text),
        "Growth" => alone(ratios::growth(section, text)),
        "Allocations" => alone(resources::allocations(section, text)),
        topic @ ("Latency" | "Throughput" | "CPU" | "Connect") => contest::check(section, topic, text),
        unknown => Err(format!("nobody knows how to check the topic {unknown:?}")),
    }
}

/// Checks every sentence of a record's page, and that there is one about everything that the samples support.
fn check_all(run: &Run) -> Vec<Sentence> {
    let sections = Section::all(run);
    let all = sentences(&render(run).unwrap());
    let mut said: BTreeSet<(String, String, String)> = BTreeSet::new();
    for sentence in &all {
        let section = sections.iter().find(|section| section.id == sentence.section);
        let section = section.unwrap_or_else(|| panic!("no samples of the section {}", sentence.section));
        match check(section, sentence) {
            Ok(subject) => {
                let new = said.insert((section.id.clone(), sentence.topic.clone(), subject));
                assert!(new, "said twice: {sentence:#?}");
            }
            Err(reason) => panic!("{sentence:#?}: {reason}"),
        }
    }
    let mut supported = BTreeSet::new();
    for section in &sections {
        let all = [resources::supported(section), ratios::supported(section), contest::supported(section)];
        for (topic, subject) in all.concat() {
            supported.insert((section.id.clone(), topic.to_string(), subject));
        }
    }
    let differ: Vec<_> = said.symmetric_difference(&supported).collect();
    assert!(differ.is_empty(), "said and not supported, or supported and not said: {differ:#?}");
    all
}

#[test]
fn every_finding_is_what_the_samples_say() {
    for name in RECORDS {
        let sentences = check_all(&record(name));
        assert!(sentences.len() > 15, "{} sentences of {name}", sentences.len());
    }
}

/// A record of one's own, such as that of the default run: `MSGR_RECORD=$PWD/out/run.json cargo test -p msgr-reports --test
/// findings_are_recomputed`.
#[test]
fn the_findings_of_a_given_record_are_what_its_samples_say() {
    let Some(path) = std::env::var_os("MSGR_RECORD") else { return };
    let sentences = check_all(&Run::load(Path::new(&path)).unwrap());
    println!("{} sentences are what the samples say", sentences.len());
}

#[test]
fn a_run_in_which_simple_wins_says_so() {
    let mut run = record("default.v1.json");
    let says = |all: &[Sentence], start: &str| all.iter().any(|sentence| sentence.text.starts_with(start));
    let all = check_all(&run);
    assert!(says(&all, "simple's CPU time per message is lower than async's at every peer count: "));
    assert!(says(&all, "simple's median round trip is lower than async's beside a flood: "));
    assert!(says(&all, "async overtakes simple in median round trip between 1 and "));
    for sample in &mut run.samples {
        sample.messenger = match sample.messenger.as_str() {
            "simple" => "async".to_string(),
            "async" => "simple".to_string(),
            other => other.to_string(),
        };
    }
    let all = check_all(&run);
    assert!(says(&all, "async's CPU time per message is lower than simple's at every peer count: "));
    assert!(says(&all, "simple overtakes async in median round trip between 1 and "));
}

#[test]
fn what_a_record_lacks_is_in_no_finding() {
    type Cut = fn(&mut Run);
    let cuts: [(&str, Cut); 9] = [
        ("one round", |run| run.samples.retain(|it| it.round == 0)),
        ("two rounds", |run| run.samples.retain(|it| it.round < 2)),
        ("four rounds, of which ratios have no bounds", |run| run.samples.retain(|it| it.round < 4)),
        ("six rounds", |run| run.samples.retain(|it| it.round != 3)),
        ("holes", |run| {
            let mut number = 0;
            run.samples.retain(|_| {
                number += 1;
                number % 5 != 0
            });
        }),
        ("a messenger that lacks its largest peer count", |run| {
            run.samples.retain(|it| it.messenger != "async" || it.peers < 1024);
        }),
        ("a messenger with few rounds at one place", |run| {
            run.samples.retain(|it| it.messenger != "async" || it.peers != 16 || it.round < 2);
        }),
        ("no floor", |run| run.samples.retain(|it| it.messenger != samples::FLOOR)),
        ("threads that follow no law, or one a peer", |run| {
            for sample in run.samples.iter_mut() {
                let peers = u64::from(sample.peers);
                sample.server.threads = if sample.messenger == "zmq" { peers + 2 } else { 4 + peers * peers / 64 };
            }
        }),
    ];
    for (what, cut) in cuts {
        let mut run = record("default.v1.json");
        cut(&mut run);
        eprintln!("{what}: {} samples", run.samples.len());
        check_all(&run);
    }
}

/// Every digit of a sentence changed, each alone, and every messenger, order and direction taken for another one.
fn forgeries(text: &str) -> Vec<String> {
    let digits = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, digit)| {
        let other = if digit == '9' { '0' } else { char::from(digit as u8 + 1) };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    });
    let words = [
        ("simple", "async"),
        ("async", "ZeroMQ"),
        ("ZeroMQ", "simple"),
        ("lower", "higher"),
        ("higher", "lower"),
        ("median", "p99"),
        ("KiB", "MiB"),
        (" µs", " ms"),
        ("No clear", "A clear"),
        ("not clearly different", "1.20×"),
        ("at every", "at any"),
        (" alone", " beside it"),
    ];
    let words = words.into_iter().flat_map(|(word, other)| {
        text.match_indices(word).map(move |(at, _)| format!("{}{other}{}", &text[..at], &text[at + word.len()..]))
    });
    digits.chain(words).chain([text[..text.len() - 1].to_string(), format!("{text} And more.")]).collect()
}

#[test]
fn a_finding_with_one_figure_or_word_changed_is_refused() {
    let run = record("default.v1.json");
    let sections = Section::all(&run);
    let mut topics: BTreeSet<String> = BTreeSet::new();
    for sentence in sentences(&render(&run).unwrap()) {
        topics.insert(sentence.topic.clone());
        let section = sections.iter().find(|section| section.id == sentence.section).unwrap();
        let subject = check(section, &sentence).unwrap();
        let elsewhere = Sentence { topic: "Weather".to_string(), ..sentence.clone() };
        assert!(check(section, &elsewhere).is_err());
        for text in forgeries(&sentence.text) {
            let forged = Sentence { text, ..sentence.clone() };
            // Of other messengers it may be true, but then it is said twice.
            assert!(check(section, &forged) != Ok(subject.clone()), "not refused: {forged:#?}");
        }
    }
    let all =
        ["Allocations", "CPU", "Connect", "Floor", "Growth", "Latency", "Memory", "Neighbour", "Threads", "Throughput"];
    assert_eq!(topics.into_iter().collect::<Vec<String>>(), all);
}
