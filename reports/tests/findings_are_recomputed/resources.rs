//! What a messenger needs: threads, memory, allocations.

use super::arithmetic::{median, of_figures};
use super::page::Sentence;
use super::ratios::{Item, read_items};
use super::samples::{Axis, Cell, Section, label};
use super::words::{self, Reader};

/// How far a thread law may be off: its constant over all counts, and its slope from a whole number.
const CONSTANT_OFF_MAX: f64 = 8.0;
const SLOPE_OFF_MAX: f64 = 0.1;

/// A slope of memory is taken from so many peers, to so many more, and to so many times as many.
const MEMORY_FROM: u64 = 64;
const MEMORY_ADDED: u64 = 60;
const MEMORY_TIMES: u64 = 4;

/// Below so many allocations a message, messages for an allocation are said.
const SELDOM: f64 = 0.2;

/// Threads of each messenger, as a law of the peer count or as they are.
pub(crate) fn threads(section: &Section<'_>, text: &str) -> Result<(), String> {
    let mut reader = Reader(text.strip_suffix('.').ok_or("no full stop")?);
    for (number, kind) in section.messengers.iter().enumerate() {
        if number > 0 {
            reader.eat("; ")?;
        }
        reader.eat(label(kind))?;
        reader.eat(" ")?;
        let threads = |cell: &Cell<'_>| cell.samples.iter().map(|it| it.server.threads as f64).collect::<Vec<f64>>();
        let points: Vec<(u64, f64)> = section.cells(kind).map(|(at, cell)| (at, median(&threads(cell)))).collect();
        law(section, &points, &mut reader)?;
    }
    reader.end()
}

fn law(section: &Section<'_>, points: &[(u64, f64)], reader: &mut Reader<'_>) -> Result<(), String> {
    let (first, last) = (points[0], points[points.len() - 1]);
    let at = |(place, threads): (u64, f64)| format!("{} threads {}", words::number(threads), section.at(&[place]));
    if points.len() == 1 {
        return reader.eat(&format!("runs {}", at(first)));
    }
    let slope = (last.1 - first.1) / (last.0 - first.0) as f64;
    let range = |a_peer: f64| {
        let all = points.iter().map(|it| it.1 - a_peer * it.0 as f64);
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)))
    };
    let fits = |a_peer: f64| {
        let (low, high) = range(a_peer);
        high - low <= CONSTANT_OFF_MAX && (slope - a_peer).abs() <= SLOPE_OFF_MAX
    };
    if reader.eats("goes from ") {
        if (0..=1000).any(|a_peer| fits(f64::from(a_peer))) {
            return Err("a law fits".to_string());
        }
        return reader.eat(&format!("{} to {}", at(first), at(last)));
    }
    reader.eat("runs ")?;
    let law = reader.0.split("; ").next().unwrap_or_default();
    let a_peer = match law.split_once(" a peer plus ") {
        Some((a_peer, _)) => {
            let number = a_peer.split(' ').next().unwrap_or_default();
            number.parse::<f64>().map_err(|error| format!("{number:?} threads a peer: {error}"))?
        }
        None => 0.0,
    };
    if !fits(a_peer) {
        return Err(format!("{a_peer} threads a peer do not fit {points:?}"));
    }
    let (low, high) = range(a_peer);
    let constant =
        if low == high { words::number(low) } else { format!("{} to {}", words::number(low), words::number(high)) };
    if a_peer == 0.0 {
        let places: Vec<u64> = points.iter().map(|it| it.0).collect();
        let everywhere = if places == section.places { "at every count".to_string() } else { section.at(&places) };
        return reader.eat(&format!("{constant} threads {everywhere}"));
    }
    let noun = if a_peer == 1.0 { "thread" } else { "threads" };
    reader.eat(&format!("{} {noun} a peer plus {constant}: {}", words::number(a_peer), at(last)))
}

/// The peer counts that a slope of memory is taken between.
fn span(places: &[u64]) -> Option<(u64, u64)> {
    let to = *places.last()?;
    let wide: Vec<u64> =
        places.iter().copied().filter(|from| from * MEMORY_TIMES <= to && from + MEMORY_ADDED <= to).collect();
    let from = wide.iter().find(|from| **from >= MEMORY_FROM).or(wide.first())?;
    Some((*from, to))
}

fn slopes(section: &Section<'_>) -> Vec<Item> {
    let Some((from, to)) = span(&section.places).filter(|_| section.axis == Axis::Peers) else { return Vec::new() };
    let of_kind = |kind: &&str| {
        let (few, many) = (section.cell(kind, from)?, section.cell(kind, to)?);
        let slopes = many.samples.iter().filter_map(|many| {
            let few = few.samples.iter().find(|few| few.round == many.round)?;
            Some((many.server.rss as f64 - few.server.rss as f64) / (to - from) as f64)
        });
        let slope = of_figures(&slopes.collect::<Vec<f64>>())?;
        let (name, factor) = words::byte_unit(slope.middle);
        let cost = if slope.low > 0.0 {
            let middle = if factor == 1.0 { slope.middle.round() } else { slope.middle / factor };
            let ends = words::spread(&slope, |value| words::number(value / factor));
            format!("{} {name} ({ends})", words::number(middle))
        } else {
            let ends = words::spread(&slope, |value| {
                let (name, factor) = words::byte_unit(value);
                format!("{} {name}", words::number(value / factor))
            });
            format!("no measurable memory ({ends})")
        };
        Some((format!("{} {cost}", label(kind)), slope.rounds))
    };
    section.messengers.iter().filter_map(of_kind).collect()
}

pub(crate) fn memory(section: &Section<'_>, sentence: &Sentence) -> Result<(), String> {
    let mut reader = Reader(&sentence.text);
    reader.eat("An added peer costs ")?;
    read_items(reader, &slopes(section))?;
    let (from, to) = span(&section.places).ok_or("no peer counts far enough apart")?;
    let between =
        format!(" from {} peer{} to {} peers", words::count(from), if from == 1 { "" } else { "s" }, words::count(to));
    if sentence.rule.contains(&between) { Ok(()) } else { Err(format!("the rule does not say{between}")) }
}

fn rates(section: &Section<'_>) -> Vec<String> {
    let of_kind = |kind: &&str| {
        let samples = section.cells(kind).flat_map(|(_, cell)| &cell.samples).filter(|sample| sample.beside.is_none());
        let counted = samples.filter_map(|sample| sample.allocations.as_ref()).filter(|heap| heap.messages > 0);
        let (times, bytes): (Vec<f64>, Vec<f64>) = counted
            .map(|heap| (heap.count as f64 / heap.messages as f64, heap.bytes as f64 / heap.messages as f64))
            .unzip();
        if times.is_empty() {
            return None;
        }
        let times = match median(&times) {
            0.0 => "nothing".to_string(),
            times if times < SELDOM => format!("once in {} messages", words::count((1.0 / times).round() as u64)),
            times => format!("{} times a message", words::number(times)),
        };
        Some(format!("{} allocates {times} ({} bytes a message)", label(kind), words::number(median(&bytes))))
    };
    section.messengers.iter().filter_map(of_kind).collect()
}

pub(crate) fn allocations(section: &Section<'_>, text: &str) -> Result<(), String> {
    let rates = rates(section);
    let expected = if rates.is_empty() { String::new() } else { format!("{}.", words::list(&rates)) };
    let mut reader = Reader(text);
    reader.eat(&expected)?;
    reader.end()
}

/// The subjects that the samples support a sentence about, each with its topic.
pub(crate) fn supported(section: &Section<'_>) -> Vec<(&'static str, String)> {
    let messengers = section.axis == Axis::Peers && !section.messengers.is_empty();
    let memory = !slopes(section).is_empty();
    let all = [("Threads", messengers), ("Memory", memory), ("Allocations", !rates(section).is_empty())];
    all.into_iter().filter(|(_, supported)| *supported).map(|(topic, _)| (topic, String::new())).collect()
}
