//! The verb `doctor`, and the same look at the host's limits before anything is started.

use msgr::Config;

use crate::exit::{Exit, Refusal};
use crate::host::{Limits, allowed_count, raise_open_files};
use crate::kinds::{Kind, Need};
use crate::{output, rdma, zmq};

/// The verb `doctor`.
///
/// # Errors
///
/// When the CPUs or standard output cannot be used.
pub(crate) fn doctor() -> anyhow::Result<Exit> {
    raise_open_files();
    output::line(&rdma::describe(rdma::find(&Config::default())))?;
    output::line(&zmq::describe(zmq::find()))?;
    output::line(&describe(&Limits::read(), allowed_count()?))?;
    Ok(Exit::Done)
}

/// Refuses `peers` peers of `kind` when a limit leaves no room for what both sides need.
///
/// # Errors
///
/// [`Refusal`] with the limit, its value and where it comes from.
pub(crate) fn check(limits: &Limits, kind: Kind, serve: Need, load: Need, peers: u32) -> Result<(), Refusal> {
    match limits.tightest(serve, load) {
        Some((limit, room)) if room < u64::from(peers) => Err(Refusal(format!(
            "{peers} peers of {} are more than this host allows: {} is {}, which leaves room for {room}; it comes from \
             {}; or pass fewer --peers",
            kind.name(),
            limit.name,
            limit.value,
            limit.source
        ))),
        _ => Ok(()),
    }
}

fn describe(limits: &Limits, cpus: u32) -> String {
    // Which pairs of sides can meet on one host: the load side is async unless told otherwise, or it could not
    // talk to the side under test.
    let load = |serve: Kind| if serve.answers(Kind::DEFAULT_LOAD) { Kind::DEFAULT_LOAD } else { serve };
    let mut pairs: Vec<_> = Kind::all().map(|serve| (serve, load(serve))).collect();
    let same_load = Kind::all().map(|serve| (serve, serve));
    pairs.extend(same_load.filter(|(serve, same)| load(*serve) != *same));

    let mut rows = vec![
        header("side under test", pairs.iter().map(|(serve, _)| *serve)),
        header("load side", pairs.iter().map(|(_, load)| *load)),
    ];
    let rooms = |pair: &(Kind, Kind)| limits.room(pair.0.serve_need(), pair.1.load_need()).map(|(_, room)| room);
    let columns: Vec<Vec<_>> = pairs.iter().map(|pair| rooms(pair).collect()).collect();
    for (row, limit) in limits.to_record().iter().enumerate() {
        let mut cells = vec![limit.name.clone(), limit.value.to_string()];
        cells.extend(columns.iter().map(|column| column[row].map_or("-".into(), |room| room.to_string())));
        rows.push(cells);
    }
    let mut most = vec!["peers at most".to_owned(), String::new()];
    most.extend(pairs.iter().map(|(serve, load)| {
        limits.tightest(serve.serve_need(), load.load_need()).map_or("-".into(), |(_, room)| room.to_string())
    }));
    rows.push(most);

    let mut text =
        format!("Peers that each limit of this host leaves room for, with both sides on it ({cpus} CPUs):\n\n");
    text.push_str(&output::table(&rows));
    text.push_str("\nWhere they come from:\n");
    for limit in limits.to_record() {
        text.push_str(&format!("  {}: {}\n", limit.name, limit.source));
    }
    text.push('\n');
    for (serve, load) in &pairs {
        if let Some((limit, room)) = limits.tightest(serve.serve_need(), load.load_need()) {
            text.push_str(&format!(
                "{} under {} load: at most {room} peers, capped by {} ({}).\n",
                serve.name(),
                load.name(),
                limit.name,
                limit.value
            ));
        }
    }
    if cpus < 2 {
        text.push_str("Both sides share one CPU here: no figure will show a messenger alone.\n");
    }
    text.trim_end().to_owned()
}

fn header(title: &str, kinds: impl Iterator<Item = Kind>) -> Vec<String> {
    let mut cells = vec![title.to_owned(), String::new()];
    cells.extend(kinds.map(|kind| kind.name().to_owned()));
    cells
}
