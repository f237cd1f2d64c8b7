//! What a run measures when the command line says it, without a scenario: one measure for each workload.

use anyhow::bail;
use msgr_reports::record::{Measure, Workload};

use crate::cli::ShapeArgs;
use crate::parse;
use crate::wire::REPLY_BYTES;

/// Numbers of peers, unless told otherwise.
const PEERS: [u32; 6] = [1, 4, 16, 64, 256, 1024];

/// Payload bytes of requests and messages, unless told otherwise.
const SIZE: u64 = 4096;

/// Requests in flight in all at more than one peer, unless told otherwise: little enough for one core to serve, so that the
/// work stays the same while peers grow.
pub(super) const ACTIVE: u32 = 16;

/// The measures that `args` ask for.
///
/// # Errors
///
/// When a rate is given without an open loop, or an open loop without a rate.
pub(super) fn of_args(args: &ShapeArgs) -> anyhow::Result<Vec<Measure>> {
    let workloads = if args.workload.is_empty() { vec![Workload::PingPong] } else { unique(&args.workload) };
    if args.share.is_empty() {
        parse::check_rate(&workloads, args.rate)?;
    } else if !workloads.contains(&Workload::UnderLoad) {
        bail!("--share is for --workload under-load: the others send as fast as they are answered");
    }
    let measures = workloads.into_iter().map(|workload| {
        let open = workload == Workload::UnderLoad;
        Measure {
            name: None,
            workload,
            peers: if args.peers.is_empty() { PEERS.to_vec() } else { unique(&args.peers) },
            sizes: if args.sizes.is_empty() { vec![SIZE] } else { unique(&args.sizes) },
            reply: args.reply.unwrap_or(REPLY_BYTES),
            depth: args.depth,
            active: args.active.unwrap_or(ACTIVE),
            rate: args.rate.filter(|_| open),
            shares: if open { unique(&args.share) } else { Vec::new() },
            ceiling: None,
            beside: None,
            beside_peers: None,
            beside_size: None,
        }
    });
    Ok(with_ceilings(measures.collect()))
}

/// The measures, each that asks for shares of a ceiling after one that finds it.
pub(super) fn with_ceilings(measures: Vec<Measure>) -> Vec<Measure> {
    let mut all: Vec<Measure> = Vec::new();
    for mut measure in measures {
        if !measure.shares.is_empty() {
            // A scenario has a handful.
            measure.ceiling = Some(all.len() as u32);
            all.push(Measure {
                name: Some("The ceiling of the rates below".into()),
                workload: Workload::PingPong,
                // As many as at more peers, so that the ceiling of one peer is not the length of a round trip.
                depth: measure.depth.or(Some(measure.active)),
                shares: Vec::new(),
                ceiling: None,
                ..measure.clone()
            });
        }
        all.push(measure);
    }
    all
}

/// Each value once, in the order given.
pub(super) fn unique<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let mut unique: Vec<T> = Vec::new();
    for value in values {
        if !unique.contains(value) {
            unique.push(value.clone());
        }
    }
    unique
}
