//! Cases: what a dispatcher may call in a callback. Each call is made from every callback, and does what it does
//! elsewhere.

use std::sync::Arc;

use msgr::{Connection, EntityAddr, EntityType, Error, Message, Messenger, MessengerFactory};

use crate::eventually;
use crate::hooks::{Callback, FAST};
use crate::stage::Stage;

/// What a callback has at hand.
struct Hand {
    subject: Arc<dyn Messenger>,
    bystanding: [Connection; 2],
    bystander: EntityAddr,
    stranger: EntityAddr,
    /// The connection that the callback concerns, if it concerns one.
    own: Option<Connection>,
}

/// Has `act` run in every callback, each of a fresh messenger, and `check` look at what came of it. Then the messenger
/// must still work, unless the case has `ended` it, and end.
fn in_every_callback<T: Send + 'static>(
    factory: &dyn MessengerFactory,
    act: fn(&Hand) -> T,
    check: impl Fn(&Stage<'_>, &crate::Node, Option<&Connection>, T),
    ended: bool,
) {
    for &callback in Callback::ALL {
        println!("in {callback:?}");
        let mut stage = Stage::new(factory);
        let stranger = stage.stranger();
        let mut hand = Hand {
            subject: Arc::clone(&stage.subject),
            bystanding: stage.bystanding.clone(),
            bystander: stage.bystanders[0].address(),
            stranger: stranger.address(),
            own: None,
        };
        let (own, outcome) = stage.in_callback(callback, move |connection| {
            hand.own = connection.cloned();
            let outcome = act(&hand);
            (hand.own, outcome)
        });
        check(&stage, &stranger, own.as_ref(), outcome);
        if ended {
            stage.subject.ends();
        } else {
            stage.is_alive();
        }
    }
}

/// Sending by connection and by address, to others and back.
pub fn every_callback_may_send(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| {
        hand.bystanding[0].send_message(Message::new(FAST).with_tid(1))?;
        hand.subject.send_message(Message::new(FAST).with_tid(2), EntityType::MON, hand.bystander)?;
        match &hand.own {
            Some(own) => own.send_message(Message::new(FAST).with_tid(3)),
            None => Ok(()),
        }
    };
    in_every_callback(
        factory,
        act,
        |stage, _, _, outcome| {
            outcome.unwrap();
            assert_eq!([(); 2].map(|()| stage.bystanders[0].message().tid), [1, 2]);
        },
        false,
    );
}

/// Connecting: to a new peer, which is dialled, and to one there is a connection to.
pub fn every_callback_may_connect(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| {
        let new = hand.subject.connect_to(EntityType::MON, hand.stranger)?;
        Ok::<_, Error>([new, hand.subject.connect_to(EntityType::MON, hand.bystander)?])
    };
    in_every_callback(
        factory,
        act,
        |stage, stranger, _, outcome| {
            let [new, known] = outcome.unwrap();
            stranger.accepted();
            eventually("the new connection opens", || new.is_connected());
            assert_eq!(known, stage.bystanding[0]);
        },
        false,
    );
}

/// Marking down, by connection and by address, others and the one that the callback concerns.
pub fn every_callback_may_mark_down(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| {
        hand.bystanding[0].mark_down();
        hand.subject.mark_down(hand.bystanding[1].peer_addr());
        if let Some(own) = &hand.own {
            own.mark_down();
        }
        let all = hand.bystanding.iter().chain(&hand.own);
        all.filter(|connection| connection.is_connected()).count()
    };
    in_every_callback(
        factory,
        act,
        |stage, _, _, still_connected| {
            assert_eq!(still_connected, 0);
            for bystander in &stage.bystanders {
                bystander.reset();
            }
            // By address is told, by connection is not.
            let told = |connection: &Connection| {
                stage.ran(Callback::HandleReset).iter().any(|ran| ran.connection == Some(connection.id()))
            };
            eventually("the reset is told", || told(&stage.bystanding[1]));
            assert!(!told(&stage.bystanding[0]));
        },
        false,
    );
}

/// Marking every connection down.
pub fn every_callback_may_mark_everything_down(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| {
        hand.subject.mark_down_all();
        hand.bystanding.iter().filter(|connection| connection.is_connected()).count()
    };
    in_every_callback(
        factory,
        act,
        |stage, _, own, still_connected| {
            assert_eq!(still_connected, 0);
            assert!(own.is_none_or(|own| own.is_loopback() || !own.is_connected()));
            for bystander in &stage.bystanders {
                bystander.reset();
            }
        },
        false,
    );
}

/// Shutting the messenger down: the call returns, the end comes, and nothing goes on from there.
pub fn every_callback_may_shut_the_messenger_down(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| {
        hand.subject.shutdown();
        hand.subject.connect_to(EntityType::MON, hand.stranger)
    };
    in_every_callback(
        factory,
        act,
        |stage, stranger, _, outcome| {
            assert!(matches!(outcome, Err(Error::Misuse(_))), "{outcome:?}");
            for bystander in &stage.bystanders {
                bystander.reset();
            }
            assert!(stranger.rest().is_empty());
        },
        true,
    );
}

/// Waiting for the messenger's end in one of its own threads is refused, and does no harm.
pub fn no_callback_may_wait(factory: &dyn MessengerFactory) {
    let act = |hand: &Hand| hand.subject.wait();
    let check = |stage: &Stage<'_>, _: &crate::Node, _: Option<&Connection>, outcome| {
        assert!(matches!(outcome, Err(Error::Misuse(_))), "{outcome:?}");
        assert!(stage.bystanding.iter().all(Connection::is_connected));
    };
    in_every_callback(factory, act, check, false);
}
