//! How far each messenger is from the floor, from itself at fewer peers, and from itself without a neighbour.

use msgr_reports::record::Workload;

use super::arithmetic::Spread;
use super::samples::{Axis, FLOOR, Figure, ROUNDS_MIN, Section, label};
use super::words::{self, Reader};

/// Figures that are compared with the floor, and those with and without a neighbour.
const ROUND_TRIPS: [Figure; 2] = [Figure::Median, Figure::P99];

/// The figure that a messenger has in a sentence, and the rounds it rests on.
pub(crate) type Item = (String, usize);

/// Reads `items`, each in its words, and what ends the sentence.
pub(crate) fn read_items(mut reader: Reader<'_>, items: &[Item]) -> Result<(), String> {
    if items.is_empty() {
        return Err("the samples do not support it".to_string());
    }
    let (texts, rounds): (Vec<String>, Vec<usize>) = items.iter().cloned().unzip();
    reader.eat(&words::list(&texts))?;
    reader.eat(&words::over(&rounds))?;
    reader.end()
}

/// `1.20× for async (1.10–1.30)`, or that it is not clearly another figure.
fn change(spread: &Spread, kind: &str, aside: &str) -> Item {
    let factor = if spread.holds(1.0) {
        "not clearly different".to_string()
    } else {
        format!("{}×", words::ratio(spread.middle))
    };
    let ends = words::spread(spread, words::ratio);
    (format!("{factor} for {} ({ends}{aside})", label(kind)), spread.rounds)
}

fn to_floor(section: &Section<'_>, place: u64, figure: Figure) -> Vec<Item> {
    let fit = |kind: &str| section.cell(kind, place).filter(|cell| cell.is_fit(figure));
    let Some(floor) = fit(FLOOR) else { return Vec::new() };
    let ratios = section.messengers.iter().filter(|kind| fit(kind).is_some());
    let ratios = ratios.filter_map(|kind| Some((*kind, section.ratio((kind, place), (FLOOR, place), figure)?)));
    ratios
        .enumerate()
        .map(|(number, (kind, ratio))| {
            let bare = figure.show(floor.together(figure));
            let of = if number == 0 { format!(" bare TCP's {bare}") } else { String::new() };
            let (middle, ends) = (words::ratio(ratio.middle), words::spread(&ratio, words::ratio));
            (format!("{middle}×{of} for {} ({ends})", label(kind)), ratio.rounds)
        })
        .collect()
}

pub(crate) fn floor(section: &Section<'_>, text: &str) -> Result<String, String> {
    for (place, figure) in floors(section) {
        let at = section.at(&[place]);
        let capital = at[..1].to_uppercase() + &at[1..];
        let mut reader = Reader(text);
        if reader.eats(&format!("{capital}, the {} is ", figure.noun())) {
            read_items(reader, &to_floor(section, place, figure))?;
            return Ok(format!("{} {at}", figure.noun()));
        }
    }
    Err("neither its place nor its figure is one that is compared with the floor".to_string())
}

/// The places and figures that are compared with the floor.
fn floors(section: &Section<'_>) -> Vec<(u64, Figure)> {
    let ends = [section.places[0], section.places[section.places.len() - 1]];
    let ends = if ends[0] == ends[1] { &ends[..1] } else { &ends[..] };
    let figures = if section.workload == Workload::Stream { &[Figure::Throughput][..] } else { &ROUND_TRIPS };
    ends.iter().flat_map(|place| figures.iter().map(|figure| (*place, *figure))).collect()
}

fn beside(section: &Section<'_>, figure: Figure) -> Vec<Item> {
    if section.axis != Axis::Neighbour {
        return Vec::new();
    }
    let of_kind = |kind: &&str| {
        let (alone, beside) = (section.cell(kind, 0)?, section.cell(kind, 1)?);
        let ratio = section.ratio((kind, 1), (kind, 0), figure)?;
        let fit = alone.is_fit(figure) && beside.is_fit(figure) && ratio.rounds >= ROUNDS_MIN;
        let [from, to] = [alone, beside].map(|cell| figure.show(cell.together(figure)));
        fit.then(|| change(&ratio, kind, &format!("; {from} alone, {to} beside it")))
    };
    section.messengers.iter().filter_map(of_kind).collect()
}

pub(crate) fn neighbour(section: &Section<'_>, text: &str) -> Result<String, String> {
    for figure in ROUND_TRIPS {
        let mut reader = Reader(text);
        if reader.eats(&format!("Beside a flood, relative to alone, the {} of the others is ", figure.noun())) {
            read_items(reader, &beside(section, figure))?;
            return Ok(figure.noun().to_string());
        }
    }
    Err("no figure of the others".to_string())
}

/// From and to how many peers, and by how much the median grows for each.
fn growths(section: &Section<'_>) -> Option<(u64, u64, Vec<Item>)> {
    let to =
        *section.places.last().filter(|_| section.axis == Axis::Peers && section.workload == Workload::PingPong)?;
    let kinds = || section.messengers.iter().copied().chain([FLOOR]);
    let same_load = |from: u64| {
        let pairs = kinds().filter_map(|kind| Some((section.cell(kind, from)?, section.cell(kind, to)?)));
        pairs.into_iter().all(|(few, many)| few.load() == many.load())
    };
    let from = *section.places.iter().find(|from| **from < to && same_load(**from))?;
    let of_kind = |kind| section.ratio((kind, to), (kind, from), Figure::Median).map(|ratio| (kind, ratio));
    let items = kinds().filter_map(of_kind).filter(|(_, ratio)| ratio.rounds >= ROUNDS_MIN);
    Some((from, to, items.map(|(kind, ratio)| change(&ratio, kind, "")).collect()))
}

pub(crate) fn growth(section: &Section<'_>, text: &str) -> Result<(), String> {
    let (from, to, items) = growths(section).ok_or("there is no growth to speak of")?;
    let mut reader = Reader(text);
    let (from, to) = (words::count(from), words::count(to));
    reader.eat(&format!(
        "With the same requests in flight, the median round trip at {to} peers relative to that at {from} is "
    ))?;
    read_items(reader, &items)
}

/// The subjects that the samples support a sentence about, each with its topic.
pub(crate) fn supported(section: &Section<'_>) -> Vec<(&'static str, String)> {
    let mut subjects = Vec::new();
    for (place, figure) in floors(section) {
        if !to_floor(section, place, figure).is_empty() {
            subjects.push(("Floor", format!("{} {}", figure.noun(), section.at(&[place]))));
        }
    }
    for figure in ROUND_TRIPS {
        if !beside(section, figure).is_empty() {
            subjects.push(("Neighbour", figure.noun().to_string()));
        }
    }
    if growths(section).is_some_and(|(_, _, items)| !items.is_empty()) {
        subjects.push(("Growth", String::new()));
    }
    subjects
}
