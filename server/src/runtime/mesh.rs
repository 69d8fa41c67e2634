//! The mail between shards: one bounded lock-free inbox a shard, and a bell. Must not know what a mail says.
//!
//! Why one inbox and not a ring for each pair: ops/decisions/0001-mail-queue.md.
//!
//! Nobody blocks and nothing is lost: what an inbox has no room for waits in the sender's overflow line to that
//! shard, in order. The lines end because a shard that is [congested](MeshPort::is_congested) refuses new commands,
//! and a command already accepted makes a bounded number of mails.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use switchboard_protocol::model::limits::{MAIL_INBOX_MAX_MAILS, MAIL_OVERFLOW_MAX_MAILS};

use super::wake::Waker;

/// What became of a mail. Either way it arrives, once and in the order of this sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the inbox.
    Queued,
    /// The inbox is full: it waits here for [`MeshPort::flush`].
    Overflowed,
}

/// One shard's door to all shards, itself included.
#[derive(Debug)]
pub struct MeshPort<T> {
    shard: usize,
    inbox: Receiver<T>,
    peers: Vec<Peer<T>>,
    overflow_len: usize,
}

#[derive(Debug)]
struct Peer<T> {
    inbox: Sender<T>,
    waker: Waker,
    overflow: VecDeque<T>,
    /// Mails put into the inbox since the bell was rung last.
    unannounced: bool,
    rung_this_turn: bool,
}

/// One port for each shard, in their order; `wakers[n]` is the bell of shard n.
pub fn mesh<T: Send>(wakers: &[Waker]) -> Vec<MeshPort<T>> {
    mesh_with_capacity(wakers, MAIL_INBOX_MAX_MAILS)
}

/// As [`mesh`], with inboxes of another size, in mails.
pub fn mesh_with_capacity<T: Send>(wakers: &[Waker], inbox_max_mails: usize) -> Vec<MeshPort<T>> {
    let inboxes: Vec<_> = wakers.iter().map(|_| bounded(inbox_max_mails)).collect();
    let port = |shard: usize| MeshPort {
        shard,
        inbox: inboxes[shard].1.clone(),
        peers: inboxes.iter().zip(wakers).map(|((to, _), waker)| Peer::new(to.clone(), waker.clone())).collect(),
        overflow_len: 0,
    };
    (0..wakers.len()).map(port).collect()
}

impl<T: Send> MeshPort<T> {
    /// This shard's number.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.peers.len()
    }

    /// Sends `mail` to shard `to`, never blocking. The first mail of a turn rings at once, so an idle shard
    /// starts early; the rest is announced by [`flush`](Self::flush).
    ///
    /// # Panics
    /// When there is no shard `to`.
    pub fn send(&mut self, to: usize, mail: T) -> Sent {
        let peer = &mut self.peers[to];
        let mail = if peer.overflow.is_empty() { peer.offer(mail) } else { Err(mail) };
        match mail {
            Ok(()) => {
                if !peer.rung_this_turn {
                    peer.ring();
                }
                Sent::Queued
            }
            Err(mail) => {
                peer.overflow.push_back(mail);
                self.overflow_len += 1;
                Sent::Overflowed
            }
        }
    }

    /// To be called at the end of each turn: moves overflow lines into inboxes as far as there is room and rings for
    /// what was sent. Returns the mails that still wait here. While it is not 0 the shard must not sleep for
    /// long: nobody tells it when an inbox has room again.
    pub fn flush(&mut self) -> usize {
        for peer in &mut self.peers {
            while let Some(mail) = peer.overflow.pop_front() {
                if let Err(mail) = peer.offer(mail) {
                    peer.overflow.push_front(mail);
                    break;
                }
                self.overflow_len -= 1;
            }
            if peer.overflow.is_empty() && peer.overflow.capacity() > OVERFLOW_KEEPS_MAX_MAILS {
                peer.overflow = VecDeque::new();
            }
            if peer.unannounced {
                peer.ring();
            }
            peer.rung_this_turn = false;
        }
        self.overflow_len
    }

    /// Takes at most `max_mails` out of this shard's inbox, in each sender's order. Returns how many.
    pub fn drain(&mut self, max_mails: usize, mut take: impl FnMut(T)) -> usize {
        let mut taken = 0;
        while taken < max_mails
            && let Ok(mail) = self.inbox.try_recv()
        {
            taken += 1;
            take(mail);
        }
        taken
    }

    /// Whether mail waits for this shard.
    pub fn has_mail(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Mails that wait here for room in an inbox.
    pub fn overflow_len(&self) -> usize {
        self.overflow_len
    }

    /// Whether new commands are to be refused until the overflow lines are shorter.
    pub fn is_congested(&self) -> bool {
        self.overflow_len >= MAIL_OVERFLOW_MAX_MAILS
    }

    /// Mails in the inbox of `shard`, for the metrics.
    pub fn depth(&self, shard: usize) -> usize {
        self.peers[shard].inbox.len()
    }
}

/// An empty line gives its memory back when it was longer than this.
const OVERFLOW_KEEPS_MAX_MAILS: usize = 256;

impl<T> Peer<T> {
    fn new(inbox: Sender<T>, waker: Waker) -> Self {
        Self { inbox, waker, overflow: VecDeque::new(), unannounced: false, rung_this_turn: false }
    }

    fn offer(&mut self, mail: T) -> Result<(), T> {
        match self.inbox.try_send(mail) {
            Ok(()) => {
                self.unannounced = true;
                Ok(())
            }
            Err(TrySendError::Full(mail)) => Err(mail),
            // The shard has ended, which it does only when the process does; nobody is left to tell.
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    fn ring(&mut self) {
        self.waker.ring();
        self.unannounced = false;
        self.rung_this_turn = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::wake::Wake;
    use proptest::prelude::*;

    fn ports(shards: usize, capacity: usize) -> (Vec<Wake>, Vec<MeshPort<(usize, u32)>>) {
        let wakes: Vec<_> = (0..shards).map(|_| Wake::new().unwrap()).collect();
        let wakers: Vec<_> = wakes.iter().map(Wake::waker).collect();
        let ports = mesh_with_capacity(&wakers, capacity);
        (wakes, ports)
    }

    #[test]
    fn a_full_inbox_overflows_in_order() {
        let (_wakes, mut ports) = ports(2, 2);
        let sent: Vec<_> = (0..4).map(|n| ports[0].send(1, (0, n))).collect();
        assert_eq!(sent, [Sent::Queued, Sent::Queued, Sent::Overflowed, Sent::Overflowed]);
        assert_eq!((ports[0].overflow_len(), ports[0].depth(1)), (2, 2));
        let mut got = Vec::new();
        ports[1].drain(1, |mail| got.push(mail.1));
        assert_eq!(ports[0].send(1, (0, 4)), Sent::Overflowed, "nobody overtakes the line");
        assert_eq!(ports[0].flush(), 2);
        ports[1].drain(10, |mail| got.push(mail.1));
        assert_eq!(ports[0].flush(), 0);
        ports[1].drain(10, |mail| got.push(mail.1));
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert!(!ports[1].has_mail());
    }

    #[test]
    fn congestion_is_told() {
        let (_wakes, mut ports) = ports(2, 1);
        for n in 0..MAIL_OVERFLOW_MAX_MAILS as u32 {
            assert!(!ports[0].is_congested());
            ports[0].send(1, (0, n));
        }
        ports[0].send(1, (0, u32::MAX));
        assert!(ports[0].is_congested());
    }

    proptest! {
        /// Any interleaving of sends, flushes and drains: each mail arrives once, in its sender's order.
        #[test]
        fn each_mail_once_in_order(capacity in 1_usize..5, steps in prop::collection::vec((0_usize..3, 0_usize..3, 0_u8..4), 1..300)) {
            let (_wakes, mut ports) = ports(3, capacity);
            let mut sent = [[0_u32; 3]; 3];
            let mut got = [[0_u32; 3]; 3];
            let drain = |port: &mut MeshPort<(usize, u32)>, max, got: &mut [[u32; 3]; 3]| {
                let to = port.shard();
                port.drain(max, |(from, n)| {
                    assert_eq!(n, got[from][to], "from {from} to {to}");
                    got[from][to] += 1;
                })
            };
            for (from, to, what) in steps {
                match what {
                    0 => { ports[from].flush(); }
                    1 => { drain(&mut ports[to], 2, &mut got); }
                    _ => {
                        ports[from].send(to, (from, sent[from][to]));
                        sent[from][to] += 1;
                    }
                }
            }
            while ports.iter().any(|port| port.has_mail() || port.overflow_len() > 0) {
                for port in &mut ports {
                    port.flush();
                    drain(port, 2, &mut got);
                }
            }
            prop_assert_eq!(sent, got);
        }
    }
}
