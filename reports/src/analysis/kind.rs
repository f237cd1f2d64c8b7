//! Which messenger a sample belongs to, and the one look that it has everywhere on the page.

/// Name of the bare-socket floor in a record.
pub(crate) const FLOOR: &str = "tcp";

/// Names of the floors that stand beside it: bare sockets waited for in epoll, and asked again and again.
const FLOOR_EPOLL: &str = "tcp-epoll";
const FLOOR_SPIN: &str = "tcp-spin";

/// Name of bare verbs in a record: what RDMA stands on, as TCP's sockets are what the others stand on.
pub(crate) const VERBS: &str = "verbs";

/// The colour, marker and dash of a messenger: one for each that the suite has, so that no page ever swaps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    /// SimpleMessenger.
    Simple,
    /// AsyncMessenger on sockets.
    Async,
    /// AsyncMessenger on RDMA.
    Rdma,
    /// ZeroMQ.
    Zmq,
    /// A messenger that this crate does not know.
    Other,
    /// Bare verbs, measured with perftest.
    Verbs,
    /// The bare-TCP floor.
    Floor,
    /// Bare TCP with epoll on both sides.
    FloorEpoll,
    /// Bare TCP whose both sides never sleep.
    FloorSpin,
}

impl Slot {
    /// Every slot.
    pub(crate) const ALL: [Slot; 9] = [
        Slot::Simple,
        Slot::Async,
        Slot::Rdma,
        Slot::Zmq,
        Slot::Other,
        Slot::Verbs,
        Slot::Floor,
        Slot::FloorEpoll,
        Slot::FloorSpin,
    ];

    /// The name that CSS classes end in.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Slot::Simple => "simple",
            Slot::Async => "async",
            Slot::Rdma => "rdma",
            Slot::Zmq => "zmq",
            Slot::Other => "other",
            Slot::Verbs => "verbs",
            Slot::Floor => "floor",
            Slot::FloorEpoll => "epoll",
            Slot::FloorSpin => "spin",
        }
    }
}

/// One messenger, or the floor, of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    // First, so that messengers sort as the suite lists them and the floors come last.
    /// Its look.
    pub(crate) slot: Slot,
    /// Its name in the record.
    pub(crate) name: String,
}

impl Kind {
    /// The messenger of that name.
    pub(crate) fn new(name: &str) -> Kind {
        let slot = match name {
            "simple" => Slot::Simple,
            "async" => Slot::Async,
            "rdma" => Slot::Rdma,
            "zmq" => Slot::Zmq,
            VERBS => Slot::Verbs,
            FLOOR => Slot::Floor,
            FLOOR_EPOLL => Slot::FloorEpoll,
            FLOOR_SPIN => Slot::FloorSpin,
            _ => Slot::Other,
        };
        Kind { slot, name: name.to_string() }
    }

    /// Its name on the page.
    pub(crate) fn label(&self) -> &str {
        match self.slot {
            Slot::Zmq => "ZeroMQ",
            Slot::Verbs => "bare verbs",
            Slot::Floor => "bare TCP",
            Slot::FloorEpoll => "bare TCP, epoll",
            Slot::FloorSpin => "bare TCP, spinning",
            Slot::Simple | Slot::Async | Slot::Rdma | Slot::Other => &self.name,
        }
    }

    /// Whether it is a messenger, and no floor.
    pub(crate) fn is_messenger(&self) -> bool {
        !matches!(self.slot, Slot::Verbs | Slot::Floor | Slot::FloorEpoll | Slot::FloorSpin)
    }

    /// Whether it is the bare-socket floor that ratios are to.
    pub(crate) fn is_floor(&self) -> bool {
        self.slot == Slot::Floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_has_a_class_of_its_own_that_the_style_sheet_gives_a_colour_in_light_dark_and_print() {
        let style = include_str!("../../templates/style.css");
        for (index, slot) in Slot::ALL.into_iter().enumerate() {
            assert_eq!(slot as usize, index);
            let class = slot.class();
            assert_eq!(Slot::ALL.iter().filter(|other| other.class() == class).count(), 1, "{class}");
            assert!(style.contains(&format!(".{class} {{ --c: var(--{class}); }}")), "{class}");
            assert_eq!(style.matches(&format!(" --{class}: #")).count(), 3, "{class}");
        }
    }

    #[test]
    fn names_of_records_are_told_apart_and_unknown_ones_are_messengers() {
        let look = |name| {
            let kind = Kind::new(name);
            (kind.label().to_string(), kind.is_messenger(), kind.is_floor())
        };
        assert_eq!(look("zmq"), ("ZeroMQ".to_string(), true, false));
        assert_eq!(look("tcp"), ("bare TCP".to_string(), false, true));
        assert_eq!(look("tcp-epoll"), ("bare TCP, epoll".to_string(), false, false));
        assert_eq!(look("tcp-spin"), ("bare TCP, spinning".to_string(), false, false));
        assert_eq!(look("io_uring"), ("io_uring".to_string(), true, false));
        let mut kinds = ["tcp-spin", "tcp", "zmq", "tcp-epoll", "simple", "async"].map(Kind::new);
        kinds.sort();
        assert_eq!(kinds.map(|kind| kind.name), ["simple", "async", "zmq", "tcp", "tcp-epoll", "tcp-spin"]);
    }
}
