//! Which of two messengers does better, place by place.

use msgr_reports::record::Workload;

use super::samples::{Axis, Cell, Figure, ROUNDS_MIN, Section, label};
use super::words::{self, Reader};

/// Smaller differences are none.
const DIFFERENCE_MIN: f64 = 0.03;

/// What two messengers reached at one place.
struct Bout<'a> {
    place: u64,
    /// Who did better, when that is clear.
    winner: Option<&'a str>,
}

/// Two messengers, the older first, and what is compared.
struct Contest<'a> {
    section: &'a Section<'a>,
    figure: Figure,
    older: &'a str,
    newer: &'a str,
    /// The places at which they may be compared.
    bouts: Vec<Bout<'a>>,
}

impl<'a> Contest<'a> {
    fn new(section: &'a Section<'a>, figure: Figure, older: &'a str, newer: &'a str) -> Contest<'a> {
        let bouts = section.places.iter().filter_map(|place| {
            let [one, two] = [older, newer].map(|kind| section.cell(kind, *place).filter(|cell| cell.is_fit(figure)));
            let (one, two) = (one?.spread(figure)?, two?.spread(figure)?);
            if one.rounds < ROUNDS_MIN || two.rounds < ROUNDS_MIN {
                return None;
            }
            let ratio = section.ratio((newer, *place), (older, *place), figure)?.middle;
            let clear = one.is_apart_from(&two) && (ratio - 1.0).abs() >= DIFFERENCE_MIN;
            let (lower, higher) = if two.low < one.low { (newer, older) } else { (older, newer) };
            let winner = if figure == Figure::Throughput { higher } else { lower };
            Some(Bout { place: *place, winner: clear.then_some(winner) })
        });
        Contest { section, figure, older, newer, bouts: bouts.collect() }
    }

    /// The contests of figures that are `wanted`, as far as there are places at which to compare.
    fn all(section: &'a Section<'a>, wanted: impl Fn(Figure) -> bool) -> Vec<Contest<'a>> {
        let compared = |figure: &Figure| match section.workload {
            // More peers are what changes it.
            _ if *figure == Figure::Connect && section.axis != Axis::Peers => false,
            Workload::Stream => matches!(figure, Figure::Throughput | Figure::Cpu),
            // All are offered the same.
            Workload::UnderLoad => *figure != Figure::Throughput,
            // A neighbour's messages cost CPU time too.
            Workload::PingPong => section.axis != Axis::Neighbour || *figure != Figure::Cpu,
        };
        let mut contests = Vec::new();
        for figure in Figure::ALL.into_iter().filter(compared).filter(|figure| wanted(*figure)) {
            for (number, older) in section.messengers.iter().enumerate() {
                let newer = section.messengers[number + 1..].iter();
                contests.extend(newer.map(|newer| Contest::new(section, figure, older, newer)));
            }
        }
        contests.retain(|contest| !contest.bouts.is_empty());
        contests
    }

    fn subject(&self) -> (&'static str, String) {
        let topic = match self.figure {
            Figure::Median | Figure::P99 => "Latency",
            Figure::Throughput => "Throughput",
            Figure::Cpu => "CPU",
            Figure::Connect => "Connect",
        };
        (topic, format!("{} of {} and {}", self.figure.noun(), self.older, self.newer))
    }

    /// The places of that outcome, ascending.
    fn places(&self, winner: Option<&str>) -> Vec<u64> {
        self.bouts.iter().filter(|bout| bout.winner == winner).map(|bout| bout.place).collect()
    }

    /// How the page says places: `everywhere` when they are all that the section has, and several.
    fn at(&self, places: &[u64], everywhere: [&str; 3]) -> String {
        if places.len() > 1 && places == self.section.places {
            return everywhere[self.section.axis as usize].to_string();
        }
        self.section.at(places)
    }

    fn ratio(&self, of: &str, to: &str, place: u64) -> Result<f64, String> {
        let ratio = self.section.ratio((of, place), (to, place), self.figure).ok_or("no round has both")?;
        Ok(ratio.middle)
    }

    fn better(&self) -> &'static str {
        if self.figure == Figure::Throughput { "higher" } else { "lower" }
    }

    /// The sentence that the samples support must be that of `text`.
    fn check(&self, text: &str) -> Result<(), String> {
        let clear = self.bouts.iter().filter_map(|bout| Some((bout.place, bout.winner?))).collect::<Vec<_>>();
        let turns: Vec<usize> = (1..clear.len()).filter(|i| clear[i - 1].1 != clear[*i].1).collect();
        let mut reader = Reader(text);
        let [older, newer] = [self.older, self.newer].map(label);
        let (noun, better) = (self.figure.noun(), self.better());
        match turns.as_slice() {
            _ if clear.is_empty() => {
                let any = self.at(&self.places(None), ["at any peer count", "at any rate", "in either case"]);
                reader.eat(&format!("No clear difference in {noun} between {older} and {newer} {any}."))?;
                return reader.end();
            }
            [] => self.read_win(&mut reader, clear[0].1)?,
            [turn] => self.read_turn(&mut reader, clear[turn - 1], clear[*turn])?,
            _ => {
                let [at_newer, at_older] =
                    [self.newer, self.older].map(|kind| self.section.at(&self.places(Some(kind))));
                reader.eat(&format!("{noun} is {better} for {newer} {at_newer}, and for {older} {at_older}."))?;
            }
        }
        let unclear = self.places(None);
        if !unclear.is_empty() {
            reader.eat(&format!(" No clear difference {}.", self.section.at(&unclear)))?;
        }
        reader.end()
    }

    /// `async's throughput is higher than simple's at every peer count: 1.10× to 1.20× (...).`
    fn read_win(&self, reader: &mut Reader<'_>, winner: &str) -> Result<(), String> {
        let loser = if winner == self.newer { self.older } else { self.newer };
        let places = self.places(Some(winner));
        let every = self.at(&places, ["at every peer count", "at every rate", "in both cases"]);
        let (noun, better) = (self.figure.noun(), self.better());
        reader.eat(&format!("{}'s {noun} is {better} than {}'s {every}: ", label(winner), label(loser)))?;
        let ratios = places.iter().map(|place| self.ratio(winner, loser, *place));
        let mut ratios = ratios.collect::<Result<Vec<f64>, String>>()?;
        ratios.sort_by(f64::total_cmp);
        let [low, high] = [ratios[0], ratios[ratios.len() - 1]].map(|ratio| format!("{}×", words::ratio(ratio)));
        reader.eat(&if low == high { low } else { format!("{low} to {high}") })?;
        let mut ends = vec![places[0], places[places.len() - 1]];
        ends.dedup();
        let show = |kind, place| Some(self.figure.show(self.section.cell(kind, place)?.together(self.figure)));
        let figures = ends.iter().map(|place| {
            let figures = format!("{} against {}", show(winner, *place)?, show(loser, *place)?);
            Some(if ends.len() == 1 { figures } else { format!("{figures} {}", self.section.at(&[*place])) })
        });
        let figures = figures.collect::<Option<Vec<String>>>().ok_or("a figure is missing")?;
        reader.eat(&format!(" ({}).", figures.join("; ")))
    }

    /// `async overtakes simple in throughput between 4 and 16 peers: ...`, from a place and its winner to the next.
    fn read_turn(&self, reader: &mut Reader<'_>, from: (u64, &str), to: (u64, &str)) -> Result<(), String> {
        let ((last, before), (next, after)) = (from, to);
        let (noun, between) = (self.figure.noun(), self.section.between(last, next));
        reader.eat(&format!("{} overtakes {} in {noun} {between}: ", label(after), label(before)))?;
        let [ratio_last, ratio_next] = [last, next].map(|place| self.ratio(self.newer, self.older, place));
        let (ratio_last, ratio_next) = (words::ratio(ratio_last?), words::ratio(ratio_next?));
        let [at_last, at_next] = [last, next].map(|place| self.section.at(&[place]));
        let [older, newer] = [self.older, self.newer].map(label);
        reader.eat(&format!("{newer}'s is {ratio_last}× {older}'s {at_last}, {ratio_next}× {at_next}."))?;
        let load = |place| self.section.cell(self.newer, place).map(Cell::load);
        if load(last) != load(next) {
            reader.eat(" The load changes between the two as well.")?;
        }
        Ok(())
    }
}

/// Checks a sentence; gives what it is about.
pub(crate) fn check(section: &Section<'_>, topic: &str, text: &str) -> Result<String, String> {
    let mut reasons = Vec::new();
    for contest in Contest::all(section, |figure| text.contains(figure.noun())) {
        match (contest.subject(), contest.check(text)) {
            ((own, subject), Ok(())) if own == topic => return Ok(subject),
            ((own, _), Ok(())) => reasons.push(format!("that belongs to {own}")),
            (_, Err(reason)) => reasons.push(reason),
        }
    }
    Err(format!("no two messengers compare like that: {reasons:#?}"))
}

/// The subjects that the samples support a sentence about, each with its topic.
pub(crate) fn supported(section: &Section<'_>) -> Vec<(&'static str, String)> {
    Contest::all(section, |_| true).iter().map(Contest::subject).collect()
}
