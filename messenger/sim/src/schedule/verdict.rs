//! The judgement on a schedule that has come to rest.

use msgr::wire::features;
use msgr::{Config, Messenger};

use super::ledger::{DownBy, Handle, Sent};
use super::setting::Setting;
use super::world::World;

/// Checks what holds whenever nothing moves.
pub(crate) fn look(world: &World) -> Result<(), String> {
    let ledger = world.ledger();
    for (node, life) in world.nodes.iter().flatten() {
        let open = |handle: &&Handle| handle.life == *life && handle.connection.is_connected();
        let open = ledger.handles.iter().filter(|handle| !handle.connection.is_loopback()).filter(open).count();
        let active = node.stats().msgr_active_connections;
        if open as u64 != active {
            return Err(format!("life {life}: {open} connections are open, msgr_active_connections says {active}"));
        }
    }
    let held_up = ledger.setting.places.iter().any(|place| !place.config.ms_inject_internal_delays.is_zero());
    if world.net.waits_after_open > 0 && !held_up {
        return Err("an open session broke, and does not dial again at once".into());
    }
    if world.net.wrong_waits > 0 {
        return Err("the smaller address was told to wait for the greater".into());
    }
    if world.net.long_waits > 0 && !held_up {
        return Err("the first dial since a session was open failed, and the next waits too long".into());
    }
    Ok(())
}

/// Checks that keepalives are answered: `before` are the last answers on each connection, before it sent one.
pub(crate) fn answered(world: &World, before: &[Option<(u32, u32)>]) -> Result<(), String> {
    let ledger = world.ledger();
    let breaks = |config: &Config| {
        config.ms_inject_socket_failures > 0
            || config.ms_connection_idle_timeout < Config::default().ms_connection_idle_timeout
    };
    if ledger.setting.places.iter().any(|place| breaks(&place.config)) {
        // Keepalives are not sent again.
        return Ok(());
    }
    let understands = |place: usize| ledger.setting.places[place].policy.features_supported & features::KEEPALIVE2 != 0;
    for (on, before) in before.iter().enumerate() {
        let handle = &ledger.handles[on];
        let both = handle.peer.is_some_and(|peer| understands(peer) && understands(ledger.place_of(on)));
        let open = handle.connection.is_connected() && !handle.connection.is_loopback();
        if both && open && handle.ended.is_none() && handle.connection.last_keepalive_ack() == *before {
            return Err(format!("{}: a keepalive was not answered", ledger.name(on)));
        }
    }
    Ok(())
}

/// Checks what can be checked at the end only.
pub(crate) fn judge(world: &World) -> Result<(), String> {
    let ledger = world.ledger();
    let ledger = &*ledger;
    for on in 0..ledger.handles.len() {
        let handle = &ledger.handles[on];
        let name = || ledger.name(on);
        delivered(ledger, handle).map_err(|what| format!("{}: {what}", name()))?;
        told(ledger, handle).map_err(|what| format!("{}: {what}", name()))?;
    }
    for (node, life) in world.nodes.iter().flatten() {
        let all_exchange = setting_exchanges(&ledger.setting);
        if all_exchange && node.stats().msgr_drop_old_messages > 0 {
            return Err(format!("life {life}: messages were sent again although they were known to have arrived"));
        }
        for throttle in ledger.lives[*life].throttles.iter().chain([&node.core().dispatch_throttle()]) {
            if throttle.taken() > 0 {
                return Err(format!("life {life}: {} units of a throttle are not given back", throttle.taken()));
            }
        }
    }
    Ok(())
}

fn setting_exchanges(setting: &Setting) -> bool {
    setting.places.iter().all(|place| place.policy.features_supported & features::RECONNECT_SEQ != 0)
}

/// Every message arrived and was dispatched, unless there is an excuse.
fn delivered(ledger: &super::ledger::Ledger, handle: &Handle) -> Result<(), String> {
    let mut last_arrived: Vec<(u16, usize)> = Vec::new();
    for (number, sent) in handle.sent.iter().enumerate().filter(|(_, sent)| sent.arrived.is_some()) {
        match last_arrived.iter_mut().find(|(priority, _)| *priority == sent.priority) {
            Some((_, last)) => *last = number,
            None => last_arrived.push((sent.priority, number)),
        }
    }
    for (number, sent) in handle.sent.iter().enumerate() {
        let Some((on, at)) = sent.arrived else {
            let reset = handle.remote_resets.iter().any(|reset| *reset > sent.at);
            if reset || lost_with_receiver(ledger, handle, sent) {
                continue;
            }
            if handle.ended.is_none() {
                return Err(format!("message {number} is lost"));
            }
            // A messenger that ended may have been told of a reset, and had no time to tell.
            if ledger.lives[handle.life].ended.is_some() {
                continue;
            }
            let overtaken = last_arrived.iter().any(|(priority, last)| *priority == sent.priority && *last > number);
            if overtaken {
                return Err(format!("message {number} is lost, but not what was sent after it"));
            }
            continue;
        };
        if sent.dispatched < sent.arrivals {
            let receiver = &ledger.handles[on];
            let reset = receiver.remote_resets.iter().any(|reset| *reset > at);
            if receiver.ended.is_none() && !reset && sent.arrivals == 1 {
                return Err(format!("message {number} arrived and was not dispatched"));
            }
        }
    }
    Ok(())
}

/// Whether a message may have been held back on purpose where it was received, and dropped with the session there.
fn lost_with_receiver(ledger: &super::ledger::Ledger, handle: &Handle, sent: &Sent) -> bool {
    let Some(peer) = handle.peer else { return true };
    let delays = !ledger.setting.places[peer].config.ms_inject_delay_type.is_empty();
    let place = ledger.lives[handle.life].place;
    delays
        && ledger.handles.iter().any(|other| {
            ledger.lives[other.life].place == peer
                && other.peer == Some(place)
                && (other.ended.is_some_and(|ended| ended > sent.at)
                    || other.remote_resets.iter().any(|reset| *reset > sent.at))
        })
}

/// The application was told what it had to be told, and nothing else.
fn told(ledger: &super::ledger::Ledger, handle: &Handle) -> Result<(), String> {
    let setting = &ledger.setting;
    let place = ledger.lives[handle.life].place;
    let peer_disposes = ledger.handles.iter().any(|other| {
        other.disposable && other.peer == Some(place) && Some(ledger.lives[other.life].place) == handle.peer
    });
    // A lossy side makes the other lossy when it accepts.
    let lossy = setting.pairing.is_lossy() || handle.disposable || peer_disposes;
    if handle.resets > 1 {
        return Err("it was reset twice".into());
    }
    let by_address = handle.down_by == DownBy::Address;
    let unknown = handle.fast_connects + handle.fast_accepts == 0 && ledger.lives[handle.life].marked_down;
    if handle.resets > 0 && !lossy && !handle.may_reset && !unknown {
        return Err("a reset that nothing explains".into());
    }
    if ledger.lives[handle.life].ended.is_none() {
        if by_address && handle.ended.is_some() && handle.resets == 0 {
            return Err("marked down by address, and no reset was told".into());
        }
        let (connects, accepts) = (handle.fast_connects, handle.fast_accepts);
        if handle.connection.is_loopback() {
            let heard = handle.sent.iter().any(|sent| sent.arrived.is_some());
            if (connects, accepts, handle.connects, handle.accepts) != (u32::from(heard), 0, 0, 0) {
                return Err(format!("loopback: {connects} fast connects, {} connects", handle.connects));
            }
        } else if (connects, accepts) != (handle.connects, handle.accepts) {
            return Err(format!(
                "{connects} fast connects and {accepts} fast accepts, but {} connects and {} accepts",
                handle.connects, handle.accepts
            ));
        }
    }
    let Some(peer) = handle.peer else { return Ok(()) };
    let sent_away = |one: usize, other: usize| {
        ledger.lives.iter().any(|life| life.place == one && (life.ended.is_some() || life.marked_down))
            || ledger.handles.iter().any(|handle| {
                ledger.lives[handle.life].place == one && handle.peer == Some(other) && handle.ended.is_some()
            })
    };
    let exchange = |at: usize| setting.places[at].policy.features_supported & features::RECONNECT_SEQ != 0;
    let explained = sent_away(peer, place)
        || sent_away(place, peer)
        || !exchange(peer)
        || !exchange(place)
        || handle.disposable
        || peer_disposes;
    if !handle.remote_resets.is_empty() && !explained {
        return Err("a remote reset that nothing explains".into());
    }
    // A messenger that ended may have been told, and had no time to tell.
    let alive = ledger.lives[handle.life].ended.is_none();
    if alive && setting.places[place].policy.resetcheck && handle.receivers.len() > 1 + handle.remote_resets.len() {
        return Err("its messages went to another session, and no remote reset was told".into());
    }
    Ok(())
}
