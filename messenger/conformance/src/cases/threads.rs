//! Cases: which thread runs a dispatcher's callbacks.

use std::thread;

use msgr::MessengerFactory;

use crate::hooks::Callback;
use crate::stage::{Ran, Stage};

/// What the threads that read sockets are called.
fn receiving_threads(factory: &dyn MessengerFactory) -> &'static str {
    match factory.name() {
        "simple" => "ms_pipe_read",
        // AsyncMessenger, on whichever stack.
        _ => "msgr-worker-",
    }
}

/// Fast callbacks and those of the handshake run on the thread that reads the connection, all the others on the one
/// dispatch thread; what a messenger sends to itself is dispatched by a thread for that.
pub fn every_callback_runs_on_the_thread_its_contract_names(factory: &dyn MessengerFactory) {
    let mut stage = Stage::new(factory);
    let me = thread::current().id();
    let mut dispatch_threads = Vec::new();
    for &callback in Callback::ALL {
        stage.take_ran();
        stage.in_callback(callback, |_| ());
        let ran = stage.ran(callback).remove(0);
        assert_ne!(ran.thread, me, "{ran:?}: in the caller's thread");
        match callback {
            Callback::Dispatch
            | Callback::HandleConnect
            | Callback::HandleAccept
            | Callback::HandleReset
            | Callback::HandleRemoteReset
            | Callback::HandleRefused => {
                assert_eq!(ran.thread_name, "ms_dispatch", "{ran:?}");
                dispatch_threads.push(ran.thread);
            }
            Callback::FastDispatchLocal => assert_eq!(ran.thread_name, "ms_local", "{ran:?}"),
            _ => assert!(ran.thread_name.starts_with(receiving_threads(factory)), "{ran:?}"),
        }
    }
    dispatch_threads.dedup();
    assert_eq!(dispatch_threads.len(), 1, "a messenger has one dispatch thread");

    // From the handshake to the messages, one thread reads a connection.
    let mut stage = Stage::new(factory);
    stage.take_ran();
    stage.in_callback(Callback::Dispatch, |_| ());
    let queued = [Callback::Dispatch, Callback::HandleAccept];
    let receiving: Vec<Ran> = stage.take_ran().into_iter().filter(|ran| !queued.contains(&ran.callback)).collect();
    let kinds: Vec<Callback> = receiving.iter().map(|ran| ran.callback).collect();
    let (preprocess, route) = (Callback::FastPreprocess, Callback::CanFastDispatch);
    let expected = [Callback::VerifyAuthorizer, Callback::HandleFastAccept, preprocess, route, Callback::FastDispatch];
    assert_eq!(kinds, [&expected[..], &[preprocess, route]].concat(), "in this order");
    assert!(receiving.iter().all(|ran| ran.thread == receiving[0].thread), "{receiving:?}");
}
