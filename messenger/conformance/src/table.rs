//! What a case is, and how tests are made of the tables of cases.
//!
//! Each table is a macro (such as [`cases!`](crate::cases)) that hands its rows to another macro: `list!` makes a
//! constant of them, for whoever runs cases by name; `tests!` makes a test of each. So a case is named once.

use msgr::{Error, Messenger, MessengerFactory, Setup};
use std::sync::Arc;

/// How a case wants to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Beside others, in seconds.
    Plain,
    /// In a process of its own: it counts the process's threads or uses up its files.
    Alone,
    /// A random workload, in up to minutes.
    Synthetic,
}

/// One row of a table: something that must hold for every `T`.
pub struct Case<T: ?Sized + 'static> {
    /// What must hold, as `module::function`.
    pub name: &'static str,
    /// The test of Ceph's own suite that asks for it; empty if none does.
    pub upstream: &'static str,
    /// How it wants to be run.
    pub kind: Kind,
    /// Runs it; a case fails by panicking.
    pub run: fn(&T),
}

/// A factory with options of its own, so that one messenger can be tested in several shapes.
pub struct Configured<F> {
    /// Makes the messengers.
    pub factory: F,
    /// Options set on each, over those of the case.
    pub options: &'static [(&'static str, &'static str)],
}

impl<F: MessengerFactory> MessengerFactory for Configured<F> {
    fn name(&self) -> &'static str {
        self.factory.name()
    }

    fn create(&self, mut setup: Setup) -> Result<Arc<dyn Messenger>, Error> {
        for (name, value) in self.options {
            setup.config.set(name, value)?;
        }
        self.factory.create(setup)
    }
}

/// Makes a test of every plain case, run against the factory given, or of every synthetic one:
///
/// ```ignore
/// msgr_conformance::suite!(msgr_simple::SimpleFactory);
/// msgr_conformance::suite!(synthetic: msgr_simple::SimpleFactory);
/// ```
#[macro_export]
macro_rules! suite {
    (synthetic: $factory:expr) => {
        $crate::cases! { tests (Synthetic $factory) }
    };
    ($factory:expr) => {
        $crate::cases! { tests (Plain $factory) }
    };
}

/// Makes `CASES` of a table's rows, for cases that take `&$subject`.
#[doc(hidden)]
#[macro_export]
macro_rules! list {
    (($subject:ty) $path:tt $( $kind:ident $module:ident { $( $case:ident $(= $upstream:literal)? ),* $(,)? } )*) => {
        /// Every case, in the order in which they are best read.
        pub const CASES: &[$crate::Case<$subject>] = &[ $( $( $crate::Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            upstream: concat!("", $($upstream)?),
            kind: $crate::Kind::$kind,
            run: $module::$case,
        }, )* )* ];
    };
}

/// Makes tests of the rows of the wanted kind.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    (($wanted:ident $subject:expr) $path:tt
        $( $kind:ident $module:ident { $( $case:ident $(= $upstream:literal)? ),* $(,)? } )*) => {
        $( $crate::tests_of! { $wanted $kind ($subject) $path $module $($case)* } )*
    };
}

/// Makes tests of one module's rows, if they are of the wanted kind.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    (Plain Plain $($rest:tt)*) => { $crate::tests_of! { $($rest)* } };
    (Synthetic Synthetic $($rest:tt)*) => { $crate::tests_of! { $($rest)* } };
    (($subject:expr) [$($path:tt)*] $module:ident $($case:ident)*) => {
        mod $module {
            use super::*;
            use $($path)*::$module as cases;

            $(
                #[test]
                fn $case() {
                    cases::$case(&$subject);
                }
            )*
        }
    };
    ($wanted:ident $kind:ident $($rest:tt)*) => {};
}
