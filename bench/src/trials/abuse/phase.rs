//! The kinds of abuse, and which counter tells each.

use std::collections::BTreeMap;

/// One kind of abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Silent,
    Stops,
    Trickle,
    Garbage,
    Crc,
    Sequence,
    Lengths,
    Unsent,
    Handshakes,
    Deaf,
    Files,
}

/// Connects of one stranger that asks again and again: one more than the messenger answers.
pub(super) const CONNECTS: u64 = 1001;

/// Strangers that ask again and again, that never read, and that announce what never comes: each of them is as much work
/// as many others.
const FEW: u32 = 8;

/// Open files the server is left with when they are to run out: enough for the good peers.
pub(super) const FILES: u64 = 256;

/// Files that well-behaved strangers leave free then.
const FILES_SPARE: u64 = 96;

impl Phase {
    pub(super) const ALL: [Phase; 11] = [
        Phase::Silent,
        Phase::Stops,
        Phase::Trickle,
        Phase::Garbage,
        Phase::Crc,
        Phase::Sequence,
        Phase::Lengths,
        Phase::Unsent,
        Phase::Handshakes,
        Phase::Deaf,
        Phase::Files,
    ];

    /// Its name on the command line and in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Silent => "silent",
            Phase::Stops => "stops",
            Phase::Trickle => "trickle",
            Phase::Garbage => "garbage",
            Phase::Crc => "crc",
            Phase::Sequence => "sequence",
            Phase::Lengths => "lengths",
            Phase::Unsent => "unsent",
            Phase::Handshakes => "handshakes",
            Phase::Deaf => "deaf",
            Phase::Files => "files",
        }
    }

    /// The phase of this name.
    pub(super) fn parse(name: &str) -> Result<Phase, String> {
        Phase::ALL.into_iter().find(|phase| phase.name() == name).ok_or_else(|| {
            let names: Vec<_> = Phase::ALL.map(Phase::name).into();
            format!("there is no abuse {name:?}; take some of {}", names.join(", "))
        })
    }

    /// Connections that strangers make.
    pub(super) fn strangers(self, connections: u32) -> u32 {
        match self {
            Phase::Handshakes | Phase::Deaf | Phase::Unsent => FEW.min(connections),
            _ => connections,
        }
    }

    /// Connections that well-behaved strangers hold for comparison: as many, if the server has the files.
    pub(super) fn well_behaved(self, connections: u32) -> u32 {
        let room = u32::try_from(FILES - FILES_SPARE).unwrap_or(u32::MAX);
        if self == Phase::Files { connections.min(room) } else { self.strangers(connections) }
    }

    /// Whether the server's open files are limited.
    pub(super) fn limits_files(self) -> bool {
        self == Phase::Files
    }

    /// Whether a counter is to be looked at: how many are accepted before the files run out, and then take too long, is a
    /// matter of chance.
    pub(super) fn is_told(self, counter: &str) -> bool {
        self != Phase::Files || counter != TIMEOUT
    }

    /// By how much each counter that tells of abuse grows; the others stay as they are.
    pub(super) fn told(self, connections: u32) -> BTreeMap<&'static str, u64> {
        let strangers = u64::from(self.strangers(connections));
        // The first of each two; see `Strangers`.
        let (even, odd) = (strangers.div_ceil(2), strangers / 2);
        let told: &[(&str, u64)] = match self {
            Phase::Silent => &[(TIMEOUT, strangers)],
            // The other half has opened a session, and may be silent for as long as it likes.
            Phase::Stops | Phase::Trickle => &[(TIMEOUT, even)],
            Phase::Garbage => &[(BANNER, even), (TAG, odd)],
            Phase::Crc => &[(CRC, strangers)],
            Phase::Sequence => &[(OLD, strangers * OLD_EACH)],
            Phase::Lengths => &[(LENGTH, strangers)],
            Phase::Handshakes => &[(PEER, strangers)],
            Phase::Unsent | Phase::Deaf | Phase::Files => &[],
        };
        told.iter().copied().collect()
    }
}

/// Messages of a stranger that repeats itself which are dropped, and that are delivered.
pub(super) const OLD_EACH: u64 = 4;
pub(super) const NEW_EACH: u64 = 4;

const TIMEOUT: &str = "msgr_drop_handshake_timeout";
const BANNER: &str = "msgr_drop_bad_banner";
const TAG: &str = "msgr_drop_bad_tag";
const CRC: &str = "msgr_drop_bad_crc";
const OLD: &str = "msgr_drop_old_messages";
const LENGTH: &str = "msgr_drop_bad_length";
const PEER: &str = "msgr_drop_bad_peer";

/// The counters that tell kinds of abuse apart.
pub(super) const TELLING: [&str; 7] = [TIMEOUT, BANNER, TAG, CRC, OLD, LENGTH, PEER];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_found_by_their_names() {
        for phase in Phase::ALL {
            assert_eq!(Phase::parse(phase.name()), Ok(phase));
        }
        assert!(Phase::parse("flood").is_err_and(|error| error.contains("silent, stops")));
    }

    #[test]
    fn every_telling_counter_is_told_by_some_phase_and_exists() {
        let told: Vec<_> = Phase::ALL.into_iter().flat_map(|phase| phase.told(2000).into_keys()).collect();
        let counters = msgr::Stats::default().entries();
        for counter in TELLING {
            assert!(told.contains(&counter), "{counter}");
            assert!(counters.iter().any(|(name, _)| *name == counter), "{counter}");
        }
    }
}
