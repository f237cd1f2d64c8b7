//! What breaks in a net, and how it is mended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use msgr::Messenger;

use crate::actor::Actor;
use crate::net::Net;
use crate::node::Node;
use crate::wire::Break;

impl Net {
    /// Breaks a wire; what is on its way still arrives.
    pub fn cut(&mut self, wire: usize) {
        self.cut_as(wire, Break::default());
    }

    /// Breaks a wire now, as `how` says.
    pub fn cut_as(&mut self, wire: usize, how: Break) {
        self.note(|_| format!("wire {wire} breaks: {how:?}"));
        self.wires[wire].cut(how, self.now);
    }

    /// Breaks all wires of a node.
    pub fn cut_off(&mut self, node: &Arc<Node>, how: Break) {
        let of = |actor: &&Actor| Arc::ptr_eq(&actor.node, node) && actor.link.is_some();
        let wires: Vec<usize> = self.actors.iter().filter(of).map(|actor| actor.wire).collect();
        for wire in wires {
            self.cut_as(wire, how);
        }
    }

    /// Keeps everything of a node from running until then.
    pub fn suspend(&mut self, node: &Arc<Node>, until: Instant) {
        for actor in self.actors.iter_mut().filter(|actor| Arc::ptr_eq(&actor.node, node)) {
            actor.stalled = [Some(until); 2];
        }
        for (at, other) in self.nodes.iter().enumerate() {
            if Arc::ptr_eq(other, node) {
                self.dispatch_from[at] = Some(until);
            }
        }
    }

    /// Ends all stalls, and lets every end be noticed now.
    pub fn clear_up(&mut self) {
        self.down.clear();
        self.dispatch_from.iter_mut().for_each(|from| *from = None);
        self.actors.iter_mut().for_each(|actor| actor.stalled = [None; 2]);
        self.arrivals.iter_mut().for_each(|arrival| arrival.at = self.now);
        self.wires.iter_mut().for_each(|wire| wire.clear_up(self.now));
    }

    /// Makes an address unreachable: dials to it are refused, or get no answer if `silent`.
    pub fn take_down(&mut self, address: SocketAddr, silent: bool) {
        self.down.push((address, silent));
    }

    /// Makes an address reachable again.
    pub fn bring_up(&mut self, address: SocketAddr) {
        self.down.retain(|(down, _)| *down != address);
    }

    pub(crate) fn is_silent(&self, address: SocketAddr) -> bool {
        self.down.contains(&(address, true))
    }

    pub(crate) fn listener(&self, address: SocketAddr) -> Option<Arc<Node>> {
        if self.down.iter().any(|(down, _)| *down == address) {
            return None;
        }
        self.nodes.iter().find(|node| node.my_addr().socket == Some(address)).cloned()
    }
}
