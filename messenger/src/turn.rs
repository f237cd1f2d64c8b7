//! Turns: sends made while a thread dispatches a batch of messages leave together at its end.
//!
//! Without this, the first reply of a batch would be written (or its writer woken) alone, and a batch of a hundred
//! requests would cost a hundred system calls. A send outside a turn is passed on at once.

use std::cell::RefCell;

use crate::session::Driver;
use crate::sync::{Arc, thread_local};

#[derive(Default)]
struct Turn {
    depth: u32,
    waiting: Vec<Arc<dyn Driver>>,
}

thread_local! {
    static TURN: RefCell<Turn> = RefCell::default();
}

/// A turn of this thread; its end passes on what was sent in it. Turns nest; the outermost counts.
pub(crate) struct TurnGuard(());

/// Begins a turn.
pub(crate) fn enter() -> TurnGuard {
    TURN.with(|turn| turn.borrow_mut().depth += 1);
    TurnGuard(())
}

/// Calls [`Driver::transmit`], now or at the end of the turn. The session that asks is marked as scheduled, so it asks
/// once, and the list is bounded by the sessions the turn touched.
pub(crate) fn transmit(driver: Arc<dyn Driver>) {
    let now = TURN.with(|turn| {
        let mut turn = turn.borrow_mut();
        if turn.depth == 0 {
            return Some(driver);
        }
        turn.waiting.push(driver);
        None
    });
    if let Some(driver) = now {
        driver.transmit();
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        let waiting = TURN.with(|turn| {
            let mut turn = turn.borrow_mut();
            turn.depth -= 1;
            (turn.depth == 0 && !turn.waiting.is_empty()).then(|| std::mem::take(&mut turn.waiting))
        });
        let Some(mut waiting) = waiting else { return };
        for driver in waiting.drain(..) {
            driver.transmit();
        }
        // The list's allocation is kept for the next turn that needs one.
        TURN.with(|turn| {
            let mut turn = turn.borrow_mut();
            if turn.waiting.capacity() < waiting.capacity() && turn.waiting.is_empty() {
                turn.waiting = waiting;
            }
        });
    }
}
