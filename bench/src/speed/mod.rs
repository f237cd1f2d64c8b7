//! The verb `speed`: the messengers at one peer against the floors of the same rounds, and against the bars they are
//! held to. On TCP it shows figures, and judging them is for people; on RDMA its exit code says whether the bars hold.

mod rdma;

use anyhow::{Context, bail};
use msgr_reports::record::{Sample, Workload};

use crate::cli::SpeedArgs;
use crate::exit::Exit;
use crate::host::{self, Limits};
use crate::kinds::Kind;
use crate::parse::Setting;
use crate::run::{Meeting, NoSample, Pace, Point, Progress, Taking, expected, preflight, schedule};
use crate::wire::REPLY_BYTES;
use crate::{interrupt, output, text};

/// Unmeasured time before each sample.
const WARMUP: std::time::Duration = std::time::Duration::from_millis(300);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// Median round trip; smaller is better.
    MedianRoundTrip,
    /// Half of it, as perftest counts; smaller is better.
    HalfRoundTrip,
    /// Messages a second; more is better.
    Rate,
}

/// One comparison, and the ratio to the floor that each messenger is held to: at most for a round trip, at least for a
/// rate.
struct Bar {
    what: &'static str,
    figure: Figure,
    workload: Workload,
    size: u64,
    depth: Option<u32>,
    checksums: bool,
    floor: Floor,
    simple: f64,
    r#async: f64,
}

/// The floors, each with a point of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    /// 4 KiB, one request at a time, blocking.
    PingPong4K,
    /// 64 B, one write a message.
    Stream64,
    /// 64 KiB, one write a message.
    Stream64K,
}

/// The bars come from what comparable systems reach on a small virtual machine, two processes over loopback: Ceph 12.2 and
/// 18.2 and libzmq 4.3.4, each against the same floors (docs/METHOD.md). In units of the floor Ceph's AsyncMessenger needs
/// 1.9 and its SimpleMessenger 2.8 for the 4 KiB round trip (libzmq 1.5); with 128 requests of 64 B in flight they reach
/// 0.5 and 0.28 (libzmq 2.2); a libzmq stream of 64 B, which has no checksums, 14 to 22.
const BARS: [Bar; 5] = [
    Bar {
        what: "4 KiB ping-pong, RTT p50",
        figure: Figure::MedianRoundTrip,
        workload: Workload::PingPong,
        size: 4 << 10,
        depth: Some(1),
        checksums: true,
        floor: Floor::PingPong4K,
        simple: 2.6,
        r#async: 1.3,
    },
    Bar {
        what: "64 B requests, 128 in flight",
        figure: Figure::Rate,
        workload: Workload::PingPong,
        size: 64,
        depth: Some(128),
        checksums: true,
        floor: Floor::Stream64,
        simple: 0.8,
        r#async: 1.3,
    },
    Bar {
        what: "64 B stream",
        figure: Figure::Rate,
        workload: Workload::Stream,
        size: 64,
        depth: None,
        checksums: true,
        floor: Floor::Stream64,
        simple: 4.5,
        r#async: 6.5,
    },
    Bar {
        what: "64 KiB stream, crc on",
        figure: Figure::Rate,
        workload: Workload::Stream,
        size: 64 << 10,
        depth: None,
        checksums: true,
        floor: Floor::Stream64K,
        simple: 0.8,
        r#async: 0.8,
    },
    Bar {
        what: "64 KiB stream, crc off",
        figure: Figure::Rate,
        workload: Workload::Stream,
        size: 64 << 10,
        depth: None,
        checksums: false,
        floor: Floor::Stream64K,
        simple: 0.95,
        r#async: 0.95,
    },
];

impl Floor {
    const ALL: [Floor; 3] = [Floor::PingPong4K, Floor::Stream64, Floor::Stream64K];

    fn point(self) -> Point {
        let (workload, size, depth) = match self {
            Floor::PingPong4K => (Workload::PingPong, 4 << 10, Some(1)),
            Floor::Stream64 => (Workload::Stream, 64, None),
            Floor::Stream64K => (Workload::Stream, 64 << 10, None),
        };
        point(Kind::FLOOR, workload, size, depth, true)
    }
}

impl Bar {
    /// The messengers asked for, with their bars.
    fn kinds(&self, args: &SpeedArgs) -> anyhow::Result<Vec<(Kind, f64)>> {
        let kind = |name| Kind::parse(name).map_err(anyhow::Error::msg);
        let all = [(kind("simple")?, self.simple), (kind("async")?, self.r#async)];
        Ok(all.into_iter().filter(|(kind, _)| args.messengers.contains(kind)).collect())
    }

    fn of(&self, limit: f64) -> Comparison {
        let stream_of = (self.workload == Workload::Stream).then_some(self.size);
        Comparison { what: self.what, figure: self.figure, stream_of, limit: Some(limit) }
    }

    fn point(&self, kind: Kind) -> Point {
        point(kind, self.workload, self.size, self.depth, self.checksums)
    }
}

fn point(kind: Kind, workload: Workload, size: u64, depth: Option<u32>, checksums: bool) -> Point {
    let off = |name: &str| Setting { name: name.into(), value: "false".into() };
    let set = if checksums { vec![] } else { vec![off("ms_crc_data"), off("ms_crc_header")] };
    Point {
        measure: 0,
        kind,
        load: kind,
        workload,
        size,
        peers: 1,
        depth,
        active: 1,
        reply: REPLY_BYTES,
        pace: Pace::AsAnswered,
        beside: None,
        stall: None,
        spin: None,
        set,
        set_load: Vec::new(),
    }
}

/// Points, each with its sample of every round, where there is one.
type Results = Vec<(Point, Vec<Option<Sample>>)>;

/// The verb `speed`.
///
/// # Errors
///
/// When a point could not be measured in any round, or there is no RDMA to measure.
pub(crate) fn speed(args: &SpeedArgs) -> anyhow::Result<Exit> {
    host::raise_open_files();
    if args.messengers.contains(&Kind::RDMA) {
        if args.messengers.iter().any(|kind| *kind != Kind::RDMA) {
            bail!("rdma is compared with bare verbs and the others with bare TCP: pass --messengers rdma alone");
        }
        return rdma::speed(args);
    }
    if !args.set.is_empty() || !args.set_load.is_empty() {
        bail!("the bars of simple and async are for default options: --set and --set-load go with --messengers rdma");
    }
    let mut points: Vec<Point> = Floor::ALL.into_iter().map(Floor::point).collect();
    for bar in &BARS {
        points.extend(bar.kinds(args)?.into_iter().map(|(kind, _)| bar.point(kind)));
    }
    let Some(results) = measure(points, args)? else { return Ok(Exit::Interrupted) };
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    for bar in &BARS {
        let floors = samples(&results, &bar.floor.point())?;
        for (kind, limit) in bar.kinds(args)? {
            let measured = samples(&results, &bar.point(kind))?;
            rows.push(bar.of(limit).row(kind, floors, measured)?.cells);
        }
    }
    output::line(output::table(&rows).trim_end())?;
    Ok(Exit::Done)
}

/// Takes every sample in a random order, and says what was done; `None` when interrupted.
fn measure(points: Vec<Point>, args: &SpeedArgs) -> anyhow::Result<Option<Results>> {
    preflight(&Limits::read(), &points, args.pin)?;
    let Meeting { bind, verbs } = Meeting::new(&args.messengers, args.bind, &args.set, &args.set_load)?;
    interrupt::catch()?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let taking = Taking { program, warmup: WARMUP, duration: args.duration, pin: args.pin, bind, verbs };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));

    let mut results: Results = points.into_iter().map(|point| (point, vec![None; args.rounds as usize])).collect();
    let tasks = schedule(&(0..results.len()).collect::<Vec<_>>(), args.rounds, seed);
    let all = tasks.iter().map(|task| expected(&results[task.point].0, &taking)).sum();
    let mut progress = Progress::new(tasks.len(), all);
    for task in tasks {
        let (point, samples) = &mut results[task.point];
        let what = text::what(point.kind.name(), point.workload, point.size, point.peers);
        progress.now(&what);
        let result = match taking.take(point, &taking.program, task.seed) {
            Ok(taken) => {
                let options: String = point.set.iter().map(|set| format!("  {}={}", set.name, set.value)).collect();
                let headline = format!("{}{options}", text::headline(&taken.sample));
                samples[task.round as usize] = Some(taken.sample);
                headline
            }
            Err(NoSample::Failed(words)) => format!("FAILED {what}: {words}"),
            Err(NoSample::Interrupted) => {
                progress.finish();
                return Ok(None);
            }
        };
        progress.done(task.round, &result, expected(point, &taking));
    }
    progress.finish();
    output::line(&format!(
        "{} rounds of {:.1} s, --pin {}, seed {seed}; ratio to the floor of the same round, median [least .. most]",
        args.rounds,
        args.duration.as_secs_f64(),
        args.pin.name()
    ))?;
    Ok(Some(results))
}

fn samples<'a>(results: &'a [(Point, Vec<Option<Sample>>)], point: &Point) -> anyhow::Result<&'a [Option<Sample>]> {
    let found = results.iter().find(|(known, _)| known == point);
    found.map(|(_, samples)| samples.as_slice()).context("a point of the comparison was not measured")
}

/// The columns of the table.
const HEADER: [&str; 8] = ["what", "messenger", "floor", "measured", "", "ratio", "bar", ""];

/// A figure held against the floor.
struct Comparison {
    what: &'static str,
    figure: Figure,
    /// The size of a message, when it is a stream.
    stream_of: Option<u64>,
    /// The ratio to the floor: at most for a round trip, at least for a rate. Without one the figure explains others.
    limit: Option<f64>,
}

/// A line of the table, and whether it meets its bar.
struct Row {
    cells: Vec<String>,
    meets: bool,
}

impl Comparison {
    fn row(&self, kind: Kind, floors: &[Option<Sample>], measured: &[Option<Sample>]) -> anyhow::Result<Row> {
        let figures =
            |samples: &[Option<Sample>]| samples.iter().flatten().map(|s| self.figure.of(s)).collect::<Vec<_>>();
        // Only rounds with both: a ratio across rounds would hold the machine's drift.
        let both = floors.iter().zip(measured).filter_map(|(floor, measured)| floor.as_ref().zip(measured.as_ref()));
        let mut ratios: Vec<_> =
            both.map(|(floor, measured)| self.figure.of(measured) / self.figure.of(floor)).collect();
        let (Some(floor), Some(absolute), Some(ratio)) =
            (median(&mut figures(floors)), median(&mut figures(measured)), median(&mut ratios))
        else {
            bail!("{} of {} could not be measured in any round; the reasons are above", self.what, kind.name());
        };
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let meets = self.limit.map(|limit| match self.figure {
            Figure::MedianRoundTrip | Figure::HalfRoundTrip => ("<=", ratio <= limit, limit),
            Figure::Rate => (">=", ratio >= limit, limit),
        });
        let verdict = |meets| if meets { "meets" } else { "misses" };
        let cells = vec![
            self.what.into(),
            kind.name().into(),
            self.figure.show(floor),
            self.figure.show(absolute),
            self.stream_of.map(|size| text::bandwidth(absolute * size as f64)).unwrap_or_default(),
            format!("{ratio:.2} [{least:.2} .. {most:.2}]"),
            meets.map_or("-".into(), |(sign, _, limit)| format!("{sign} {limit:.2}")),
            meets.map_or("not judged", |(_, meets, _)| verdict(meets)).into(),
        ];
        Ok(Row { cells, meets: meets.is_none_or(|(_, meets, _)| meets) })
    }
}

impl Figure {
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Figure::MedianRoundTrip => sample.latency.as_ref().map_or(f64::NAN, |latency| latency.p50_ns as f64),
            Figure::HalfRoundTrip => Figure::MedianRoundTrip.of(sample) / 2.0,
            Figure::Rate => text::messages_per_second(sample),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Figure::MedianRoundTrip | Figure::HalfRoundTrip => text::micros(value as u64),
            Figure::Rate => text::rate(value),
        }
    }
}

/// Sorts the values and gives the middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some(f64::midpoint(values[low], values[high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_of_nothing_is_nothing() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let sample = |messages| {
            let mut sample: Sample = serde_json::from_value(serde_json::json!({
                "round": 0, "messenger": "", "load_messenger": "", "workload": "stream", "size": 64, "peers": 1,
                "in_flight": 1, "elapsed_ns": 1_000_000_000, "messages": 0, "bytes": 0, "latency": null, "connect_ns": 0,
                "server": msgr_reports::record::Probe::default(), "load": msgr_reports::record::Probe::default(),
                "allocations": null
            }))
            .unwrap();
            sample.messages = messages;
            Some(sample)
        };
        let bar = &BARS[2];
        let kind = Kind::parse("simple").unwrap();
        // The machine is ten times faster in the second round, and the third lacks its floor.
        let floors = [sample(100), sample(1000), None];
        let row = bar.of(bar.simple).row(kind, &floors, &[sample(500), sample(5000), sample(7)]).unwrap();
        assert_eq!(row.cells[5], "5.00 [5.00 .. 5.00]");
        assert!(row.meets && row.cells[7] == "meets");
        assert!(bar.of(bar.simple).row(kind, &[None], &[sample(1)]).is_err());
    }
}
