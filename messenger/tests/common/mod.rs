//! Shared by the tests of this directory; each uses its own part.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub(crate) mod node;
pub(crate) mod pair;
pub(crate) mod script;

pub(crate) use node::{Node, QUEUED, Seen};
pub(crate) use pair::{Net, Told};
