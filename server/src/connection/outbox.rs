//! What is to be said to a peer and was not yet taken by its socket. An empty outbox has no memory; what it needs
//! for a moment it borrows from its shard's [`Spares`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use smallvec::SmallVec;
use switchboard_protocol::model::limits::{
    OUTBOX_SEGMENT_MAX_BYTES, OUTBOX_SPARE_MAX_BYTES, OUTBOX_SPARES_MAX, SEND_MAX_SEGMENTS,
};

use crate::runtime::Socket;

/// The outbox of a connection.
#[derive(Debug, Default)]
pub enum Outbox {
    /// Nothing is to be said.
    #[default]
    Empty,
    /// One event that others are told too: what most of a fan-out is, so it costs no allocation.
    Told(Arc<Vec<u8>>),
    /// Anything else.
    Pending(Box<Pending>),
}

/// Memory of outboxes that are empty again, for the next ones of the same shard.
// Boxed, because they go into outboxes as they are.
#[allow(clippy::vec_box)]
#[derive(Debug, Default)]
pub struct Spares(Vec<Box<Pending>>);

/// A list of what is to be said.
#[derive(Debug, Default)]
pub struct Pending {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that are sent.
    sent: usize,
    /// Bytes of all segments that are not.
    bytes: usize,
}

#[derive(Debug)]
enum Segment {
    /// Said to this peer only.
    Own(Vec<u8>),
    /// Said to many, encoded once.
    Shared(Arc<Vec<u8>>),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Outbox {
    /// Gives an empty outbox memory to write to.
    pub fn lend(&mut self, spares: &mut Spares) {
        if matches!(self, Self::Empty)
            && let Some(spare) = spares.0.pop()
        {
            *self = Self::Pending(spare);
        }
    }

    /// Lets `write` append to what is to be said.
    pub fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let pending = self.pending();
        // Sent bytes go with their whole segment: a peer that never takes quite all must not make one grow.
        if !matches!(pending.segments.back(), Some(Segment::Own(last)) if last.len() < OUTBOX_SEGMENT_MAX_BYTES) {
            pending.segments.push_back(Segment::Own(Vec::with_capacity(256)));
        }
        let Some(Segment::Own(bytes)) = pending.segments.back_mut() else { unreachable!("just made sure of") };
        let before = bytes.len();
        let result = write(bytes);
        pending.bytes += bytes.len() - before;
        result
    }

    /// Appends bytes that others are told too. From the second event on, memory is borrowed from `spares`.
    pub fn share(&mut self, bytes: Arc<Vec<u8>>, spares: &mut Spares) {
        match self {
            Self::Empty => *self = Self::Told(bytes),
            Self::Told(first) => {
                let mut pending = spares.0.pop().unwrap_or_default();
                pending.share(std::mem::take(first));
                pending.share(bytes);
                *self = Self::Pending(pending);
            }
            Self::Pending(pending) => pending.share(bytes),
        }
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Told(bytes) => bytes.len(),
            Self::Pending(pending) => pending.bytes,
        }
    }

    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends as much as the socket takes, in one gathered send; WouldBlock if it took less than all.
    pub fn send(&mut self, socket: &Socket, spares: &mut Spares) -> io::Result<()> {
        match self {
            Self::Empty => return Ok(()),
            Self::Told(bytes) => {
                let taken = socket.send(bytes)?;
                if taken < bytes.len() {
                    self.pending().advance(taken);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
            Self::Pending(pending) => pending.send(socket)?,
        }
        if let Self::Pending(pending) = std::mem::take(self) {
            spares.give(pending);
        }
        Ok(())
    }

    fn pending(&mut self) -> &mut Pending {
        if let Self::Empty | Self::Told(_) = self {
            let mut pending = Box::<Pending>::default();
            if let Self::Told(bytes) = std::mem::take(self) {
                pending.share(bytes);
            }
            *self = Self::Pending(pending);
        }
        let Self::Pending(pending) = self else { unreachable!("just made sure of") };
        pending
    }
}

impl Spares {
    fn give(&mut self, mut pending: Box<Pending>) {
        if self.0.len() < OUTBOX_SPARES_MAX && pending.clear() {
            self.0.push(pending);
        }
    }
}

impl Pending {
    fn share(&mut self, bytes: Arc<Vec<u8>>) {
        self.bytes += bytes.len();
        self.segments.push_back(Segment::Shared(bytes));
    }

    fn send(&mut self, socket: &Socket) -> io::Result<()> {
        while self.bytes > 0 {
            let (taken, offered) = if let [only] = self.segments.as_slices().0
                && self.segments.len() == 1
            {
                let bytes = &only.bytes()[self.sent..];
                (socket.send(bytes)?, bytes.len())
            } else {
                self.send_gathered(socket)?
            };
            self.advance(taken);
            if taken < offered {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(())
    }

    /// One send of many segments: the bytes taken and the bytes offered.
    fn send_gathered(&self, socket: &Socket) -> io::Result<(usize, usize)> {
        let mut slices: SmallVec<[IoSlice<'_>; SEND_MAX_SEGMENTS]> = SmallVec::new();
        let mut offered = 0;
        for (index, segment) in self.segments.iter().take(SEND_MAX_SEGMENTS).enumerate() {
            let skipped = if index == 0 { self.sent } else { 0 };
            let bytes = &segment.bytes()[skipped..];
            offered += bytes.len();
            slices.push(IoSlice::new(bytes));
        }
        Ok((socket.send_vectored(&slices)?, offered))
    }

    /// Empties it, but for one segment to write to; false if it is too large to be kept.
    fn clear(&mut self) -> bool {
        (self.sent, self.bytes) = (0, 0);
        if self.segments.capacity() > SEND_MAX_SEGMENTS {
            return false;
        }
        self.segments.truncate(1);
        match self.segments.front_mut() {
            Some(Segment::Own(bytes)) => {
                bytes.clear();
                bytes.capacity() <= OUTBOX_SPARE_MAX_BYTES
            }
            Some(Segment::Shared(_)) => {
                self.segments.clear();
                true
            }
            None => true,
        }
    }

    /// Bytes were taken. When all are, the whole is given back.
    fn advance(&mut self, taken: usize) {
        self.bytes -= taken;
        self.sent += taken;
        if self.bytes == 0 {
            return;
        }
        while let Some(first) = self.segments.front() {
            let len = first.bytes().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// A peer that always leaves a little must not make the outbox keep everything it was ever told.
    #[test]
    fn what_is_sent_is_given_back_though_the_outbox_is_never_empty() {
        let mut outbox = Outbox::default();
        outbox.write(|out| out.extend_from_slice(&[0; 5000]));
        for _ in 0..10_000 {
            outbox.write(|out| out.extend_from_slice(&[0; 1000]));
            outbox.pending().advance(1000);
        }
        let pending = outbox.pending();
        let kept: usize = pending.segments.iter().map(|segment| segment.bytes().len()).sum();
        assert_eq!(pending.bytes, 5000);
        assert!(kept <= pending.bytes + 2 * OUTBOX_SEGMENT_MAX_BYTES, "{kept} bytes kept");
    }

    #[test]
    fn everything_arrives_in_order_through_a_socket_that_takes_little() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        let shared = Arc::new(vec![b's'; 70_000]);
        let mut expected = Vec::new();
        for round in 0..200u8 {
            outbox.write(|out| out.extend_from_slice(&[round; 1000]));
            outbox.share(shared.clone(), &mut spares);
            expected.extend_from_slice(&[round; 1000]);
            expected.extend_from_slice(&shared);
        }
        assert_eq!(outbox.len(), expected.len());
        let mut got = Vec::new();
        let mut chunk = vec![0; 60_000];
        loop {
            match outbox.send(&socket, &mut spares) {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let count = theirs.read(&mut chunk).unwrap();
            got.extend_from_slice(&chunk[..count]);
        }
        drop(socket);
        theirs.read_to_end(&mut got).unwrap();
        assert!(got == expected);
        assert!(matches!(outbox, Outbox::Empty));
    }

    #[test]
    fn one_event_costs_no_memory_and_waits_whole_or_in_part() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.share(Arc::new(b"small".to_vec()), &mut spares);
        assert!(matches!(outbox, Outbox::Told(_)) && outbox.len() == 5);
        outbox.send(&socket, &mut spares).unwrap();
        assert!(matches!(outbox, Outbox::Empty));
        let large = Arc::new(vec![7; 4_000_000]);
        outbox.share(large.clone(), &mut spares);
        assert_eq!(outbox.send(&socket, &mut spares).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!outbox.is_empty() && outbox.len() < large.len());
        outbox.write(|out| out.push(b'!'));
        let mut got = vec![0; 5 + large.len() + 1];
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| theirs.read_exact(&mut got));
            while outbox.send(&socket, &mut spares).is_err() {
                std::thread::yield_now();
            }
            reader.join().unwrap().unwrap();
        });
        assert!(&got[..5] == b"small" && got[5..got.len() - 1] == large[..] && got.last() == Some(&b'!'));
    }

    #[test]
    fn events_that_gather_borrow_their_list_and_arrive_in_order() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        for round in 0..3 {
            [b"one", b"two", b"six"].iter().for_each(|event| outbox.share(Arc::new(event.to_vec()), &mut spares));
            assert_eq!(outbox.len(), 9);
            assert!(spares.0.is_empty(), "the list is in use in round {round}");
            outbox.send(&socket, &mut spares).unwrap();
            assert_eq!(spares.0.len(), 1);
            // Its holder in between has written to it.
            outbox.lend(&mut spares);
            outbox.write(|out| out.push(b'.'));
            outbox.send(&socket, &mut spares).unwrap();
            let mut got = [0; 10];
            theirs.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"onetwosix.");
        }
    }

    #[test]
    fn memory_is_lent_again_unless_it_grew_large() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.write(|out| out.extend_from_slice(b"one"));
        outbox.send(&socket, &mut spares).unwrap();
        assert_eq!(spares.0.len(), 1);
        outbox.lend(&mut spares);
        assert_eq!((spares.0.len(), outbox.len()), (0, 0));
        outbox.write(|out| out.extend_from_slice(b"two"));
        assert_eq!(outbox.len(), 3, "nothing of the former holder is left");
        outbox.write(|out| out.resize(OUTBOX_SPARE_MAX_BYTES + 1, 0));
        outbox.send(&socket, &mut spares).unwrap();
        assert!(spares.0.is_empty());
    }
}
