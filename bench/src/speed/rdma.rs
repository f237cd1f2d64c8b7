//! The bars of RDMA: our stack against bare verbs (perftest) of the same rounds, on the same devices.

use anyhow::bail;
use msgr_reports::record::Workload;

use super::{Comparison, Figure, HEADER, measure, samples};
use crate::cli::SpeedArgs;
use crate::exit::Exit;
use crate::kinds::Kind;
use crate::parse::Setting;
use crate::run::{Meeting, Pace, Point};
use crate::{output, perftest};

/// One comparison: what perftest sends, both ways where it is a ping-pong.
struct Bar {
    what: &'static str,
    figure: Figure,
    workload: Workload,
    size: u64,
    polling_us: u32,
    /// None: it is shown beside the figure before it, to explain it.
    limit: Option<f64>,
}

/// perftest's programs do nothing but send; a messenger frames, checks sums, counts credits, copies once on either side and
/// dispatches. Twice the time of a bare send leaves room for that when nobody sleeps; asleep, the wake-ups that both pay
/// weigh more than the messenger's own work, so less is allowed. A stream has its messages' work overlap with the device's.
///
/// Judged is what the defaults give, checksums included. Without checksums the same is shown beside it: on hardware they cost
/// next to nothing, in an emulated machine a good part of what a bare send does.
const BARS: [Bar; 6] = [
    Bar {
        what: "4 KiB half round trip, polling",
        figure: Figure::HalfRoundTrip,
        workload: Workload::PingPong,
        size: 4 << 10,
        polling_us: 1000,
        limit: Some(2.0),
    },
    Bar {
        what: "4 KiB half round trip, polling, crc off",
        figure: Figure::HalfRoundTrip,
        workload: Workload::PingPong,
        size: 4 << 10,
        polling_us: 1000,
        limit: None,
    },
    Bar {
        what: "4 KiB half round trip, events",
        figure: Figure::HalfRoundTrip,
        workload: Workload::PingPong,
        size: 4 << 10,
        polling_us: 0,
        limit: Some(1.6),
    },
    Bar {
        what: "4 KiB half round trip, events, crc off",
        figure: Figure::HalfRoundTrip,
        workload: Workload::PingPong,
        size: 4 << 10,
        polling_us: 0,
        limit: None,
    },
    Bar {
        what: "64 KiB stream",
        figure: Figure::Rate,
        workload: Workload::Stream,
        size: 64 << 10,
        polling_us: 1000,
        limit: Some(0.7),
    },
    Bar {
        what: "64 KiB stream, crc off",
        figure: Figure::Rate,
        workload: Workload::Stream,
        size: 64 << 10,
        polling_us: 1000,
        limit: None,
    },
];

impl Bar {
    /// What is measured of a messenger, or of the floor, which has no checksums to leave out.
    fn point(&self, kind: Kind, args: &SpeedArgs) -> Point {
        let set = |name: &str, value: String| Setting { name: name.into(), value };
        let own = [
            set("ms_async_rdma_polling_us", self.polling_us.to_string()),
            // One connection has one worker; more would poll for nothing, and take the CPU from the other side.
            set("ms_async_op_threads", "1".into()),
        ];
        let off = ["ms_crc_data", "ms_crc_header"].map(|name| set(name, "false".into()));
        let checksums = if self.limit.is_none() && kind == Kind::RDMA { &off[..] } else { &[] };
        let own = own.into_iter().chain(checksums.iter().cloned());
        Point {
            kind,
            load: kind,
            workload: self.workload,
            size: self.size,
            peers: 1,
            depth: None,
            active: 1,
            reply: self.size,
            pace: Pace::AsAnswered,
            beside: None,
            measure: 0,
            stall: None,
            spin: None,
            set: own.chain(args.set.iter().cloned()).collect(),
            set_load: args.set_load.clone(),
        }
    }
}

/// Measures and judges; the exit code says whether all bars hold.
pub(super) fn speed(args: &SpeedArgs) -> anyhow::Result<Exit> {
    Meeting::new(&args.messengers, args.bind, &args.set, &args.set_load)?;
    if let Err(words) = perftest::check() {
        bail!(words);
    }
    let kinds = [Kind::VERBS, Kind::RDMA];
    let mut points: Vec<Point> = Vec::new();
    for point in BARS.iter().flat_map(|bar| kinds.map(|kind| bar.point(kind, args))) {
        // With and without checksums have one floor.
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let Some(results) = measure(points, args)? else { return Ok(Exit::Interrupted) };
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    let mut all = true;
    for bar in &BARS {
        let stream_of = (bar.workload == Workload::Stream).then_some(bar.size);
        let comparison = Comparison { what: bar.what, figure: bar.figure, stream_of, limit: bar.limit };
        let [floors, measured] = kinds.map(|kind| samples(&results, &bar.point(kind, args)));
        let row = comparison.row(Kind::RDMA, floors?, measured?)?;
        all &= row.meets;
        rows.push(row.cells);
    }
    output::line(output::table(&rows).trim_end())?;
    output::line("Floors: ib_send_lat --use-srq, the same with --events, ib_send_bw. Both sides have one worker.")?;
    Ok(if all { Exit::Done } else { Exit::Broken })
}
