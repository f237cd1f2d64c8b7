//! Two threads at the one point where it matters: a callback of the first, in the middle of which the second works.

use std::cell::RefCell;
use std::rc::Rc;

type Visit = Box<dyn FnOnce()>;

thread_local! {
    static VISIT: RefCell<Option<Visit>> = RefCell::default();
}

/// Runs `host`, and `guest` in the first callback of it that calls [`run`], or else afterwards.
pub(crate) fn during<A, B: 'static>(host: impl FnOnce() -> A, guest: impl FnOnce() -> B + 'static) -> (A, B) {
    let result = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&result);
    let visit: Visit = Box::new(move || *slot.borrow_mut() = Some(guest()));
    VISIT.with_borrow_mut(|waiting| *waiting = Some(visit));
    let outcome = host();
    run();
    let visited = result.borrow_mut().take().unwrap();
    (outcome, visited)
}

/// Lets the guest work, if there is one and it has not. To be called by dispatchers.
pub(crate) fn run() {
    let visit = VISIT.with_borrow_mut(Option::take);
    if let Some(visit) = visit {
        visit();
    }
}

/// Forgets a guest that a panic left behind.
pub(crate) fn forget() {
    VISIT.with_borrow_mut(|waiting| *waiting = None);
}
