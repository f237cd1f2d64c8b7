//! Options: Ceph's `ms_*` names with Ceph's defaults, and the few of our own.
//!
//! One table makes the struct, the defaults, the parser and the help, so that none can lag behind.

use std::time::Duration;

/// An option that does not exist, or a value it does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("there is no option {name:?}{hint}", hint = .nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// The name given.
        name: String,
        /// The closest name there is, if one is close.
        nearest: Option<&'static str>,
    },
    /// The value does not parse.
    #[error("{name}={value}: {why}")]
    BadValue {
        /// The option.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it takes instead.
        why: String,
    },
}

/// One option as help and reports show it.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// Its `ms_*` name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// A type that options take.
trait Value: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

impl Value for bool {
    fn parse(text: &str) -> Result<bool, String> {
        match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("takes true or false".into()),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for u64 {
    fn parse(text: &str) -> Result<u64, String> {
        parse_size(text).ok_or_else(|| "takes a whole number, with an optional suffix KiB, MiB or GiB".into())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Duration, String> {
        let seconds = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
        seconds.ok_or_else(|| "takes a number of seconds, such as 0.2".into())
    }
    fn show(&self) -> String {
        self.as_secs_f64().to_string()
    }
}

impl Value for f64 {
    fn parse(text: &str) -> Result<f64, String> {
        text.parse().ok().filter(|x| (0.0..=1.0).contains(x)).ok_or_else(|| "takes a number from 0 to 1".into())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

/// Which event driver an AsyncMessenger's workers wait on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventDriverKind {
    /// `epoll`, O(ready).
    Epoll,
    /// `poll`, O(registered): the reference.
    Poll,
}

impl Value for EventDriverKind {
    fn parse(text: &str) -> Result<EventDriverKind, String> {
        match text {
            "epoll" => Ok(EventDriverKind::Epoll),
            "poll" => Ok(EventDriverKind::Poll),
            _ => Err("takes epoll or poll".into()),
        }
    }
    fn show(&self) -> String {
        match self {
            EventDriverKind::Epoll => "epoll".into(),
            EventDriverKind::Poll => "poll".into(),
        }
    }
}

/// Parses a size in bytes: `4096`, `4k`, `4KiB`, `1MiB`, `1GiB`; powers of 1024, case ignored.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, suffix) = text.split_at(digits);
    let shift = match suffix.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

macro_rules! options {
    ($( $(#[doc = $help:literal])+ $name:ident $(| $alias:literal)? : $kind:ty = $default:expr; )+) => {
        /// Every option of a messenger, by its `ms_*` name. Fixed when the messenger is made.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config { $( $(#[doc = $help])+ pub $name: $kind, )+ }

        impl Default for Config {
            fn default() -> Config {
                Config { $( $name: $default, )+ }
            }
        }

        impl Config {
            /// All options, in the order of the table.
            pub const OPTIONS: &'static [OptionInfo] =
                &[ $( OptionInfo { name: stringify!($name), help: concat!($($help),+) }, )+ ];

            /// Sets the option `name` from text. Spaces and dashes in the name count as underscores.
            ///
            /// # Errors
            /// [`OptionError`] when there is no such option or it does not take the value.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
                let name = name.trim().replace([' ', '-'], "_");
                match name.as_str() {
                    $( stringify!($name) $(| $alias)? => {
                        self.$name = <$kind as Value>::parse(value.trim()).map_err(|why| OptionError::BadValue {
                            name: stringify!($name),
                            value: value.to_owned(),
                            why,
                        })?;
                    } )+
                    _ => return Err(OptionError::Unknown { nearest: nearest(&name), name }),
                }
                Ok(())
            }

            /// The option's value as text, or `None` when there is no such option.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $( stringify!($name) $(| $alias)? => Some(self.$name.show()), )+
                    _ => None,
                }
            }
        }
    };
}

options! {
    /// Set TCP_NODELAY on every socket.
    ms_tcp_nodelay: bool = true;
    /// SO_RCVBUF in bytes; 0 leaves the system's default.
    ms_tcp_rcvbuf: u64 = 0;
    /// Bytes read ahead behind a large payload. Small messages are read by the worker's larger shared chunk.
    ms_tcp_prefetch_max_size: u64 = 4 << 10;
    /// Length of the listening socket's accept queue.
    ms_tcp_listen_backlog: u64 = 512;
    /// First delay between dials, in seconds; doubled after each failure.
    ms_initial_backoff: Duration = Duration::from_millis(200);
    /// Longest delay between dials, in seconds; also the delay after a lost connection race.
    ms_max_backoff: Duration = Duration::from_secs(15);
    /// Compute and check the crc of data sections.
    ms_crc_data: bool = true;
    /// Compute and check the crc of headers, fronts and middles; must be the same on both ends.
    ms_crc_header: bool = true;
    /// Bytes received and not yet dispatched, for the whole messenger, and as many of messages that are still arriving; 0
    /// is unlimited.
    ms_dispatch_throttle_bytes: u64 = 100 << 20;
    /// First port tried when port 0 is bound.
    ms_bind_port_min: u64 = 6800;
    /// Last port tried when port 0 is bound.
    ms_bind_port_max: u64 = 7300;
    /// How often a bind to a port in use is tried again.
    ms_bind_retry_count: u64 = 3;
    /// Seconds between these tries.
    ms_bind_retry_delay: Duration = Duration::from_secs(5);
    /// Bind outgoing sockets to this messenger's own IP.
    ms_bind_before_connect: bool = false;
    /// Learn the own IP from the first peer's view; otherwise from the socket.
    ms_learn_addr_from_peer: bool = true;
    /// Stack of SimpleMessenger's reader and writer threads, in bytes.
    ms_rwthread_stack_bytes: u64 = 1 << 20;
    /// Seconds a handshake may take, on either side.
    ms_connection_ready_timeout: Duration = Duration::from_secs(10);
    /// Seconds without any traffic after which a connection faults.
    ms_connection_idle_timeout | "ms_tcp_read_timeout": Duration = Duration::from_secs(900);
    /// Dispatch queue: cap of the tokens of one priority below 64.
    ms_pq_max_tokens_per_priority: u64 = 16 << 20;
    /// Dispatch queue: least cost of an item below priority 64.
    ms_pq_min_cost: u64 = 64 << 10;
    /// Worker threads of AsyncMessenger, shared by all messengers of the process; 1 to 24.
    ms_async_op_threads: u64 = 3;
    /// Write from the sending thread when nothing is queued before it; otherwise always from the worker.
    ms_async_send_inline: bool = true;
    /// Microseconds a worker polls its sockets before it sleeps: lower latency, paid in CPU.
    ms_async_busy_poll_us: u64 = 0;
    /// What workers wait on: epoll, or poll as the O(n) reference.
    ms_async_event_driver: EventDriverKind = EventDriverKind::Epoll;
    /// Largest front or middle accepted, in bytes; more ends the connection.
    ms_max_front_bytes: u64 = 64 << 20;
    /// Largest data accepted, in bytes; more ends the connection.
    ms_max_data_bytes: u64 = 256 << 20;
    /// Fault injection: one in so many reads and writes shuts its socket down instead; 0 for none.
    ms_inject_socket_failures: u64 = 0;
    /// Fault injection: what peers of these types send may be delayed, such as "osd mon client mds mgr".
    ms_inject_delay_type: String = String::new();
    /// Fault injection: delay only messages of this type (its number); 0 for every type.
    ms_inject_delay_msg_type: u64 = 0;
    /// Fault injection: longest delay of a message, in seconds.
    ms_inject_delay_max: Duration = Duration::from_secs(1);
    /// Fault injection: share of the messages that is delayed, 0 to 1.
    ms_inject_delay_probability: f64 = 0.0;
    /// Fault injection: seconds for which points where races are likely are held up.
    ms_inject_internal_delays: Duration = Duration::ZERO;
    /// Time the stages of each message's way, into histograms; costs readings of the clock.
    ms_stage_histograms: bool = false;
    /// RDMA device, such as mlx5_0; empty is the first one.
    ms_async_rdma_device_name: String = String::new();
    /// Port of the RDMA device, from 1.
    ms_async_rdma_port_num: u64 = 1;
    /// Index in the port's table of GIDs; "auto" takes the first RoCE v2 one, of IPv4 before IPv6.
    ms_async_rdma_gid_idx: String = "auto".into();
    /// GID to look for in the port's table, as eight groups of four hex digits; empty looks for none.
    ms_async_rdma_local_gid: String = String::new();
    /// RoCE version of the GID looked for: 0 for v1, 1 for v2.
    ms_async_rdma_roce_ver: u64 = 1;
    /// Service level of what is sent.
    ms_async_rdma_sl: u64 = 3;
    /// Traffic class of what is sent: the whole byte, 4 times the DSCP.
    ms_async_rdma_dscp: u64 = 96;
    /// Bytes of one chunk of registered memory: the largest message on the wire.
    ms_async_rdma_buffer_size: u64 = 128 << 10;
    /// Most chunks to send from, registered as they are needed.
    ms_async_rdma_send_buffers: u64 = 1024;
    /// Most chunks to receive into, registered as they are needed.
    ms_async_rdma_receive_buffers: u64 = 32768;
    /// Length of each worker's shared receive queue.
    ms_async_rdma_receive_queue_len: u64 = 4096;
    /// Register huge pages where the system has free ones.
    ms_async_rdma_enable_hugepage: bool = false;
    /// Microseconds a worker polls its completion queue before it sleeps: lower latency, paid in CPU.
    ms_async_rdma_polling_us: u64 = 1000;
    /// Bytes a connection may hold queued or unacknowledged; a send beyond fails.
    ms_out_queue_max_bytes: u64 = 1 << 30;
}

/// The option whose name is closest to `name`, if it is close enough to be a slip.
fn nearest(name: &str) -> Option<&'static str> {
    /// Edits beyond which two names are not the same name mistyped.
    const SLIP_MAX: usize = 4;
    let distances = Config::OPTIONS.iter().map(|option| (edit_distance(name, option.name), option.name));
    distances.min().filter(|(distance, _)| *distance <= SLIP_MAX).map(|(_, name)| name)
}

/// Levenshtein distance, one row at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_reads_back_what_it_shows() {
        let mut config = Config::default();
        for option in Config::OPTIONS {
            let value = config.get(option.name).unwrap();
            config.set(option.name, &value).unwrap();
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn spaces_dashes_and_the_old_alias_are_accepted() {
        let mut config = Config::default();
        config.set("ms crc-data", "false").unwrap();
        config.set("ms_tcp_read_timeout", "1.5").unwrap();
        assert!(!config.ms_crc_data);
        assert_eq!(config.ms_connection_idle_timeout, Duration::from_millis(1500));
    }

    #[test]
    fn an_unknown_option_names_the_nearest_one() {
        let error = Config::default().set("ms_crc_dta", "1").unwrap_err();
        assert_eq!(error.to_string(), "there is no option \"ms_crc_dta\"; did you mean ms_crc_data?");
        assert!(Config::default().set("colour", "red").unwrap_err().to_string().ends_with("\"colour\""));
    }

    #[test]
    fn a_bad_value_says_what_the_option_takes() {
        let error = Config::default().set("ms_max_backoff", "-1").unwrap_err();
        assert_eq!(error.to_string(), "ms_max_backoff=-1: takes a number of seconds, such as 0.2");
    }

    #[test]
    fn sizes_take_binary_suffixes() {
        assert_eq!(parse_size("64"), Some(64));
        assert_eq!(parse_size("4KiB"), Some(4096));
        assert_eq!(parse_size("1m"), Some(1 << 20));
        for bad in ["", "KiB", "4 parsecs", "1.5k", "-4", "99999999999999999999", "99999999999g"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
