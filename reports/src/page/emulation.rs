//! What the page of an emulated machine says about itself: in its title, and beside every plot and table, since pictures
//! travel without the page they are from.

use super::figure::Figure;
use super::section::Section;
use crate::analysis::metric::Metric;
use crate::record::{Environment, Warning};

/// What the title begins with.
pub(super) const TITLE: &str = "Emulated machine (TCG), no hardware: ";

/// Beside figures of time.
pub(super) const TIMES: &str = "Measured in an emulated machine (TCG). Can show: that it works, and how it stands to the \
                                floors under the same emulation. Cannot show: how fast it is on hardware, or which is \
                                faster there; every instruction is translated, and the RDMA device is software.";

/// Beside figures that count.
const COUNTS: &str = "Measured in an emulated machine (TCG). Can show: this count, which does not depend on the speed of \
                      the machine. Cannot show: what it costs on hardware.";

/// Whether the machine is emulated by qemu without hardware's help. Its CPU says so.
pub(super) fn is_emulated(machine: &Environment) -> bool {
    machine.cpu_model.contains("QEMU TCG")
}

/// What the commands that repeat the run begin with: they are the guest's.
pub(super) const REPRODUCE: &str = "# in the guest that `just bench-rdma` boots\n";

/// The first of the warnings.
pub(super) fn warning() -> Warning {
    let text = "An emulated machine was measured, and the RDMA device in it is software (Soft-RoCE). The page shows that \
                everything works and what each messenger does per message. No time or rate on it holds for hardware, and \
                neither does the order of the messengers: bare TCP beats bare verbs here, which no adapter would do. To \
                know how fast RDMA is, run msgr-bench on a host with a device (docs/RDMA.md).";
    Warning { kind: "emulated".into(), text: text.into() }
}

/// Marks every plot and table.
pub(super) fn mark(sections: &mut [Section]) {
    for section in sections {
        for figure in section.figures.iter_mut().chain(&mut section.curves) {
            let note = note(figure);
            figure.note = Some(note);
            figure.table.note = Some(note);
        }
        section.ratios.iter_mut().for_each(|table| table.note = Some(TIMES));
        let counts = section.details.iter_mut().chain(&mut section.counts);
        counts.for_each(|table| table.note = Some(COUNTS));
        section.offers.iter_mut().for_each(|table| table.note = Some(TIMES));
        section.neighbours.iter_mut().for_each(|table| table.note = Some(TIMES));
    }
}

fn note(figure: &Figure) -> &'static str {
    match figure.metric {
        Some(Metric::Threads | Metric::Rss | Metric::Switches) => COUNTS,
        _ => TIMES,
    }
}
