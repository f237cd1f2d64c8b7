//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use msgr_reports::record::{Neighbour, Workload};

use crate::exit::Exit;
use crate::host::Cpus;
use crate::kinds::Kind;
use crate::parse::{self, Setting, Stall};
use crate::{control, doctor, gate, load, report, run, serve, shape, speed, trend, trials, wire};

/// Measures the messengers over real sockets, each against the same bare-TCP floor.
///
/// Exit codes: 0 done; 1 `gate` found the candidate slower, or `shape` a count worse; 2 usage or tool error; 3 a trial saw a promise broken, `speed` a
/// bar of rdma missed, or `gate` cannot tell; 4 a limit of this host is too low; 130 interrupted, with what was measured so
/// far in a record that is marked partial.
#[derive(Debug, Parser)]
#[command(name = "msgr-bench", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure the messengers at growing numbers of peers, and draw the page.
    Run(RunArgs),
    /// Be the side under test, until Ctrl-C.
    Serve(ServeArgs),
    /// Be the load side of a `serve`, on this host or another; measure once, and draw the page.
    Load(LoadArgs),
    /// Draw the page of a record again.
    Report(ReportArgs),
    /// Say what changed between two records, and draw it: figures as ratios to the floor, with their intervals.
    Compare(CompareArgs),
    /// List the saved runs below a directory, as a page.
    Index(IndexArgs),
    /// Say whether this program is slower than an older build of it: pairs of both, in random order, until that can be told.
    Gate(GateArgs),
    /// How often `gate` errs, from jobs that compared a program with itself; `just gate-selftest` measures them.
    GateSelftest(SelftestArgs),
    /// Say whether calls, wake-ups, allocations and threads are as many as were committed.
    Shape(shape::Args),
    /// The load side of a scripted exchange, started by `shape`.
    #[command(hide = true)]
    Exchange(shape::ExchangeArgs),
    /// Keep what gates said of one commit after another, and draw it; names lasting shifts, and fails nothing.
    Trend(TrendArgs),
    /// What a program was built from, for `gate`.
    #[command(hide = true)]
    About,
    /// Say which limits of this host cap the number of peers, and at how many.
    Doctor,
    /// Compare the messengers' speed at one peer with the bars they are held to.
    Speed(SpeedArgs),
    /// Send a million messages while sockets fail, and miss none.
    Soak(trials::SoakArgs),
    /// Kill either side in the middle of a stream, again and again, and look at what the other hears.
    Kill(trials::KillArgs),
    /// Let strangers stall, lie and flood, and look at what good peers notice.
    Abuse(trials::AbuseArgs),
    /// Connect and drop ten thousand times, and look whether files, threads and memory come back.
    Leaks(trials::LeaksArgs),
    /// One side of a trial, started by it.
    #[command(hide = true)]
    Node(NodeArgs),
    /// What else the side under test has to do, started by `run`.
    #[command(hide = true)]
    Neighbour(NeighbourArgs),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        match &self.verb {
            Verb::Run(args) => run::run(args),
            Verb::Serve(args) => serve::serve(args),
            Verb::Load(args) => load::load(args),
            Verb::Report(args) => report::report(args),
            Verb::Compare(args) => report::compare(args),
            Verb::Index(args) => report::index(args),
            Verb::Gate(args) => gate::gate(args),
            Verb::GateSelftest(args) => gate::selftest(args),
            Verb::Shape(args) => shape::shape(args),
            Verb::Exchange(args) => shape::exchange(args),
            Verb::Trend(args) => trend::trend(args),
            Verb::About => gate::about(),
            Verb::Doctor => doctor::doctor(),
            Verb::Speed(args) => speed::speed(args),
            Verb::Soak(args) => trials::soak(args),
            Verb::Kill(args) => trials::kill(args),
            Verb::Abuse(args) => trials::abuse(args),
            Verb::Leaks(args) => trials::leaks(args),
            Verb::Node(_) => trials::node(),
            Verb::Neighbour(args) => load::neighbour(args),
        }
    }
}

/// How the two sides share the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pin {
    /// Both sides run on all CPUs.
    None,
    /// The side under test on the lower half of the CPUs, the load side on the upper half.
    Split,
}

impl Pin {
    /// The name on the command line and in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pin::None => "none",
            Pin::Split => "split",
        }
    }
}

/// `msgr-bench run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What to measure, by the name of a shipped scenario or as a TOML file [default: default, unless an option says what to
    /// measure]; an unknown name lists them
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,
    /// Messengers under test [default: simple, async, and zmq where it is built in]; further floors (tcp-epoll, tcp-spin) may be among
    /// them, and tcp alone measures the floor and nothing else
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', value_parser = Kind::parse)]
    pub(crate) messengers: Vec<Kind>,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    /// Messenger of the load side at more than one peer; at one peer it is the one under test, and for rdma always rdma
    #[arg(long, value_name = "KIND", default_value = Kind::DEFAULT_LOAD.name(), value_parser = Kind::parse_messenger)]
    pub(crate) load_messenger: Kind,
    /// Address of this host that the sides meet at [default: 127.0.0.1; with rdma the device's, when it has one]
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Option<IpAddr>,
    /// Whether the two sides keep to CPUs of their own
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) pin: Pin,
    /// Measured time of each sample [default: 250ms, with --quick 200ms]
    #[arg(long, value_name = "TIME", value_parser = parse::measured_duration)]
    pub(crate) duration: Option<Duration>,
    /// Unmeasured time before it [default: 100ms]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    pub(crate) warmup: Option<Duration>,
    /// How often each point is measured, each time in fresh processes [default: 12, with --quick 3]
    #[arg(long, value_name = "N", value_parser = parse::rounds)]
    pub(crate) rounds: Option<u32>,
    /// Seed of the order of the samples and of the choice of peers [default: random, recorded]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Option of the messengers on both sides; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
    /// Option of the load side alone, beside --set; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set_load: Vec<Setting>,
    /// Let the side under test answer nothing for LENGTH in every EVERY, to see which figures show it; not for tcp
    #[arg(long, value_name = "LENGTH/EVERY", value_parser = parse::stall)]
    pub(crate) inject_stall: Option<Stall>,
    /// Also time the stages of messages, in an extra pass after each sample: where the time of a message goes
    #[arg(long)]
    pub(crate) stages: bool,
    /// Few and short samples: the default run in a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// Directory for run.json and index.html
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// What `msgr-bench run` measures, when no scenario says it.
#[derive(Debug, Args)]
#[group(multiple = true, conflicts_with = "scenario")]
pub(crate) struct ShapeArgs {
    /// ping-pong (requests with a small reply, as fast as they are answered), under-load (requests at --rate or --share),
    /// stream (messages one way) [default: ping-pong]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = parse::workload)]
    pub(crate) workload: Vec<Workload>,
    /// Numbers of peers [default: 1,4,16,64,256,1024]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = parse::peers)]
    pub(crate) peers: Vec<u32>,
    /// Payload sizes of requests and messages [default: 4KiB]
    #[arg(long, value_name = "SIZE,..", value_delimiter = ',', value_parser = parse::size)]
    pub(crate) sizes: Vec<u64>,
    /// Payload size of replies [default: 64]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub(crate) reply: Option<u64>,
    /// Requests in flight on the connection at one peer [default: 1]; for a stream the window of each peer, in messages
    /// [default: 4096, or fewer of large messages]
    #[arg(long, value_name = "N", value_parser = parse::in_flight)]
    pub(crate) depth: Option<u32>,
    /// Requests in flight in all at more than one peer, each to a peer drawn at random [default: 16]
    #[arg(long, value_name = "N", value_parser = parse::in_flight)]
    pub(crate) active: Option<u32>,
    /// Requests a second in all, for under-load: the same for every messenger
    #[arg(long, value_name = "N", value_parser = parse::rate)]
    pub(crate) rate: Option<f64>,
    /// Rates for under-load in percent of what the slowest messenger reaches, which is measured first
    #[arg(long, value_name = "PERCENT,..", value_delimiter = ',', value_parser = parse::share, conflicts_with = "rate")]
    pub(crate) share: Vec<u32>,
}

/// `msgr-bench neighbour`.
#[derive(Debug, Args)]
pub(crate) struct NeighbourArgs {
    /// Started by `run`: says when its traffic flows, and what it did when standard input is closed
    #[arg(long, hide = true, required = true)]
    pub(crate) child: bool,
    #[arg(long, value_parser = parse::neighbour)]
    pub(crate) what: Neighbour,
    #[arg(long, value_parser = Kind::parse)]
    pub(crate) messenger: Kind,
    #[arg(long, value_parser = parse::address)]
    pub(crate) connect: SocketAddr,
    #[arg(long, value_parser = parse::peers)]
    pub(crate) peers: u32,
    #[arg(long, value_parser = parse::size)]
    pub(crate) size: u64,
    #[arg(long, value_parser = parse::size)]
    pub(crate) reply: u64,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long, value_enum)]
    pub(crate) cpus: Cpus,
    #[arg(long, value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
}

/// `msgr-bench serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// What to serve with: a messenger, zmq, or a floor (tcp, tcp-epoll, tcp-spin)
    #[arg(long, value_name = "KIND", value_parser = Kind::parse)]
    pub(crate) messenger: Kind,
    /// Where peers dial; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = parse::address)]
    pub(crate) bind: SocketAddr,
    /// Payload size of replies
    #[arg(long, value_name = "SIZE", default_value_t = wire::REPLY_BYTES, value_parser = parse::size)]
    pub(crate) reply: u64,
    /// Where the load side asks what an interval cost; whoever reaches it may ask
    #[arg(long, value_name = "ADDR", default_value_t = control::DEFAULT_ADDRESS, value_parser = parse::address)]
    pub(crate) control: SocketAddr,
    /// Option of the messenger; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
    /// Let the side under test answer nothing for LENGTH in every EVERY, to see which figures show it; not for tcp
    #[arg(long, value_name = "LENGTH/EVERY", value_parser = parse::stall)]
    pub(crate) inject_stall: Option<Stall>,
    /// Let the side under test spin for so long for each message, as slower code would; not for tcp
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    pub(crate) inject_spin: Option<Duration>,
    /// CPUs to run on
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) cpus: Cpus,
    /// Started by `run`: announce as JSON, end when standard input is closed
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

/// `msgr-bench load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Where `serve` serves
    #[arg(long, value_name = "ADDR", value_parser = parse::address)]
    pub(crate) connect: SocketAddr,
    /// What to load with; a floor, zmq and rdma go with their like only
    #[arg(long, value_name = "KIND", value_parser = Kind::parse)]
    pub(crate) messenger: Kind,
    /// Peers, each a messenger of its own with one connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse::peers)]
    pub(crate) peers: u32,
    /// Payload size of requests or messages
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = parse::size)]
    pub(crate) size: u64,
    /// Payload size of replies, as given to `serve`
    #[arg(long, value_name = "SIZE", default_value_t = wire::REPLY_BYTES, value_parser = parse::size)]
    pub(crate) reply: u64,
    /// ping-pong (requests with a small reply, as fast as they are answered), under-load (requests at --rate) or stream
    /// (messages one way)
    #[arg(long, value_name = "NAME", default_value = "ping-pong", value_parser = parse::workload)]
    pub(crate) workload: Workload,
    /// Requests in flight on the connection at one peer [default: 1]; for a stream the window of each peer, in messages
    /// [default: 4096, or fewer of large messages]
    #[arg(long, value_name = "N", value_parser = parse::in_flight)]
    pub(crate) depth: Option<u32>,
    /// Requests in flight in all at more than one peer, each to a peer drawn at random
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = parse::in_flight)]
    pub(crate) active: u32,
    /// Requests a second in all, for under-load: the same for every messenger
    #[arg(long, value_name = "N", value_parser = parse::rate)]
    pub(crate) rate: Option<f64>,
    /// Measured time
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse::measured_duration)]
    pub(crate) duration: Duration,
    /// Unmeasured time before it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse::duration)]
    pub(crate) warmup: Duration,
    /// Where `serve` answers for its figures
    #[arg(long, value_name = "ADDR", default_value_t = control::DEFAULT_ADDRESS, value_parser = parse::address)]
    pub(crate) control: SocketAddr,
    /// Seed of the choice of peers [default: random, recorded]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Option of the messengers; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
    /// CPUs to run on
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) cpus: Cpus,
    /// Directory for run.json and index.html
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    /// Write the sample as JSON to standard output (-) instead of a record
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with = "out")]
    pub(crate) json: Option<String>,
    /// Started by `run`: end when standard input is closed
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

/// `msgr-bench report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A run.json that `run` or `load` has written
    #[arg(value_name = "RUN.JSON")]
    pub(crate) record: PathBuf,
    /// Directory for index.html [default: that of the record]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// `msgr-bench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The record of the earlier run, or its directory
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// The record of the later run, or its directory
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,
    /// Directory for compare.html
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// `msgr-bench index`.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Where the runs are, each in a directory of its own (`run --out DIR/NAME`); runs.html is written there
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// `msgr-bench gate`.
#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// The program that this one is held against: msgr-bench, built from another commit with the same flags
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) baseline: PathBuf,
    /// The program under test [default: this one]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) candidate: Option<PathBuf>,
    /// Commit that the baseline was built from [default: as the program says, which in a repository that depends on this one is
    /// this one's]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) baseline_commit: Option<String>,
    /// The same of the candidate
    #[arg(long, value_name = "COMMIT")]
    pub(crate) candidate_commit: Option<String>,
    /// Messengers to compare
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', default_value = "simple,async", value_parser = Kind::parse_messenger)]
    pub(crate) messengers: Vec<Kind>,
    /// Payload sizes of requests
    #[arg(long, value_name = "SIZE,..", value_delimiter = ',', default_value = "64,4KiB", value_parser = parse::size)]
    pub(crate) sizes: Vec<u64>,
    /// Numbers of peers, with one request in flight for each
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,16", value_parser = parse::peers)]
    pub(crate) peers: Vec<u32>,
    /// Measured time of each sample
    #[arg(long, value_name = "TIME", default_value = "160ms", value_parser = parse::measured_duration)]
    pub(crate) duration: Duration,
    /// Unmeasured time before it
    #[arg(long, value_name = "TIME", default_value = "60ms", value_parser = parse::duration)]
    pub(crate) warmup: Duration,
    /// Whether the two sides of a sample keep to CPUs of their own
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) pin: Pin,
    /// Seed of the order of each pair [default: random, recorded]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Why a regression is accepted, as the commit says it: then it is reported and passes
    #[arg(long, value_name = "REASON")]
    pub(crate) accept: Option<String>,
    /// Slow the candidate down by so many percent of the baseline's median, to see the gate notice
    #[arg(long, value_name = "N%", value_parser = parse::percent)]
    pub(crate) inject_latency: Option<f64>,
    /// Directory for gate.json, gate.junit.xml, gate.md and gate.html
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// `msgr-bench gate-selftest`.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Directory whose directories hold a gate.json each
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Seed of the jobs that are played from measured pairs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// `msgr-bench trend`.
#[derive(Debug, Args)]
pub(crate) struct TrendArgs {
    /// The trend: a file of one line a job
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A verdict of `gate` to add to it, which makes the file when it is missing; may be repeated
    #[arg(long, value_name = "GATE.JSON")]
    pub(crate) add: Vec<PathBuf>,
    /// Directory for trend.html
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// `msgr-bench speed`.
#[derive(Debug, Args)]
pub(crate) struct SpeedArgs {
    /// simple and async against bare TCP, or rdma alone against bare verbs
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', default_value = "simple,async", value_parser = Kind::parse_messenger)]
    pub(crate) messengers: Vec<Kind>,

    /// How often each figure is measured, in fresh processes, floors and messengers in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = parse::rounds)]
    pub(crate) rounds: u32,
    /// Whether the two sides keep to CPUs of their own
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) pin: Pin,
    /// Measured time of each sample
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::measured_duration)]
    pub(crate) duration: Duration,
    /// Address of this host that the sides meet at [default: 127.0.0.1; with rdma the device's, when it has one]
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Option<IpAddr>,
    /// Option of both sides, with rdma; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set: Vec<Setting>,
    /// Option of the load side alone, beside --set; may be repeated
    #[arg(long, value_name = "MS_OPTION=VALUE", value_parser = parse::setting)]
    pub(crate) set_load: Vec<Setting>,
    /// Seed of the order of the samples [default: random, printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// `msgr-bench node`.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Started by a trial: is told what to be on standard input, and ends when that is closed
    #[arg(long, hide = true, required = true)]
    pub(crate) child: bool,
}
