//! The cases, by what they are about.

pub mod alone;
pub mod conversation;
pub mod faults;
pub mod hostile;
pub mod lifecycle;
