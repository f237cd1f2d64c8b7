//! Which messenger a sample belongs to, and the one look that it has everywhere on the page.

/// Name of the bare-socket floor in a record.
pub(crate) const FLOOR: &str = "tcp";

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
    /// A messenger that this crate does not know.
    Other,
    /// Bare verbs, measured with perftest.
    Verbs,
    /// The bare-TCP floor.
    Floor,
}

impl Slot {
    /// Every slot.
    pub(crate) const ALL: [Slot; 6] = [Slot::Simple, Slot::Async, Slot::Rdma, Slot::Other, Slot::Verbs, Slot::Floor];

    /// The name that CSS classes end in.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Slot::Simple => "simple",
            Slot::Async => "async",
            Slot::Rdma => "rdma",
            Slot::Other => "other",
            Slot::Verbs => "verbs",
            Slot::Floor => "floor",
        }
    }
}

/// One messenger, or the floor, of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    // First, so that messengers sort as the suite lists them and the floor comes last.
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
            VERBS => Slot::Verbs,
            FLOOR => Slot::Floor,
            _ => Slot::Other,
        };
        Kind { slot, name: name.to_string() }
    }

    /// Its name on the page.
    pub(crate) fn label(&self) -> &str {
        match self.slot {
            Slot::Floor => "bare TCP",
            Slot::Verbs => "bare verbs",
            _ => &self.name,
        }
    }

    /// Whether it is a messenger, and no floor.
    pub(crate) fn is_messenger(&self) -> bool {
        !matches!(self.slot, Slot::Floor | Slot::Verbs)
    }

    /// Whether it is the bare-socket floor.
    pub(crate) fn is_floor(&self) -> bool {
        self.slot == Slot::Floor
    }
}
