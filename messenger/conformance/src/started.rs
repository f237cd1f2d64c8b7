//! A messenger that ends with its case.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use msgr::Messenger;

use crate::PATIENCE;

/// How long a case that fails anyway waits for the ends of its messengers.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// A messenger that was started. It is shut down when this is dropped, and the case fails if its end does not come.
pub struct Started(Arc<dyn Messenger>);

impl Started {
    pub(crate) fn new(messenger: Arc<dyn Messenger>) -> Started {
        Started(messenger)
    }

    /// Shuts down and waits.
    pub fn end(&self) {
        self.shutdown();
        self.ends();
    }

    /// Waits for the end, after a shutdown.
    pub fn ends(&self) {
        let patience = if thread::panicking() { IMPATIENCE } else { PATIENCE };
        let (tell, told) = channel();
        let messenger = Arc::clone(&self.0);
        // A messenger that does not end keeps this thread, and by its handle itself: the case fails, and goes on.
        thread::spawn(move || {
            let ended = messenger.wait();
            drop(messenger);
            // A case that gave up listens no more.
            let _ = tell.send(ended);
        });
        let ended = told.recv_timeout(patience);
        assert!(matches!(ended, Ok(Ok(()))) || thread::panicking(), "the messenger does not end: {ended:?}");
        assert!(self.dispatch_queue_len() == 0 || thread::panicking(), "its dispatch queue is not empty");
    }
}

impl Deref for Started {
    type Target = Arc<dyn Messenger>;

    fn deref(&self) -> &Arc<dyn Messenger> {
        &self.0
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.end();
    }
}
