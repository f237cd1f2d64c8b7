//! A setting in words, for whoever replays a schedule.

use std::fmt;

use msgr::Config;
use msgr::wire::features;

use super::setting::{Budgets, Setting};

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}{}", self.pairing, if self.resets { ", with resets" } else { "" })?;
        for place in &self.places {
            write!(f, "{} at {}/{}", place.name, place.address, place.nonce)?;
            let lacking = features::SUPPORTED & !place.policy.features_supported;
            let names = [
                ("RECONNECT_SEQ", features::RECONNECT_SEQ),
                ("MSG_AUTH", features::MSG_AUTH),
                ("KEEPALIVE2", features::KEEPALIVE2),
            ];
            for (name, _) in names.iter().filter(|(_, bit)| lacking & bit != 0) {
                write!(f, ", no {name}")?;
            }
            let Budgets { messages, bytes } = place.budgets;
            if messages + bytes > 0 {
                write!(f, ", throttled to {messages} messages and {bytes} bytes")?;
            }
            if let Some(misfit) = place.misfit {
                write!(f, ", misfit: {misfit:?}")?;
            }
            for option in Config::OPTIONS {
                let value = place.config.get(option.name);
                if value != Config::default().get(option.name) {
                    write!(f, ", {}={}", option.name, value.unwrap_or_default())?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f, "{:?}", self.manners)?;
        write!(f, "{:?}", self.climate)
    }
}
