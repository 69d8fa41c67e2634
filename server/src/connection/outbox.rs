//! What is to be said to a peer and was not yet taken by its socket. An empty outbox is one null pointer.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use smallvec::SmallVec;
use switchboard_protocol::model::limits::{OUTBOX_SEGMENT_MAX_BYTES, SEND_MAX_SEGMENTS};

use crate::runtime::Socket;

/// The outbox of a connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Option<Box<Pending>>);

#[derive(Debug, Default)]
struct Pending {
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
    Shared(Arc<[u8]>),
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
    /// Lets `write` append to what is to be said.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let pending = self.0.get_or_insert_default();
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

    /// Appends bytes that others are told too.
    pub(crate) fn share(&mut self, bytes: Arc<[u8]>) {
        let pending = self.0.get_or_insert_default();
        pending.bytes += bytes.len();
        pending.segments.push_back(Segment::Shared(bytes));
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pending| pending.bytes)
    }

    /// Sends as much as the socket takes, in one gathered send; WouldBlock if it took less than all.
    pub(crate) fn send(&mut self, socket: &Socket) -> io::Result<()> {
        let Some(pending) = &mut self.0 else { return Ok(()) };
        while pending.bytes > 0 {
            let mut slices: SmallVec<[IoSlice<'_>; SEND_MAX_SEGMENTS]> = SmallVec::new();
            let mut offered = 0;
            for (index, segment) in pending.segments.iter().take(SEND_MAX_SEGMENTS).enumerate() {
                let skipped = if index == 0 { pending.sent } else { 0 };
                let bytes = &segment.bytes()[skipped..];
                offered += bytes.len();
                slices.push(IoSlice::new(bytes));
            }
            let taken = socket.send_vectored(&slices)?;
            drop(slices);
            pending.advance(taken);
            if taken < offered {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.0 = None;
        Ok(())
    }
}

impl Pending {
    fn advance(&mut self, taken: usize) {
        self.bytes -= taken;
        self.sent += taken;
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
            outbox.0.as_mut().unwrap().advance(1000);
        }
        let pending = outbox.0.unwrap();
        let kept: usize = pending.segments.iter().map(|segment| segment.bytes().len()).sum();
        assert_eq!(pending.bytes, 5000);
        assert!(kept <= pending.bytes + 2 * OUTBOX_SEGMENT_MAX_BYTES, "{kept} bytes kept");
    }

    #[test]
    fn everything_arrives_in_order_through_a_socket_that_takes_little() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let mut outbox = Outbox::default();
        let shared: Arc<[u8]> = vec![b's'; 70_000].into();
        let mut expected = Vec::new();
        for round in 0..200u8 {
            outbox.write(|out| out.extend_from_slice(&[round; 1000]));
            outbox.share(shared.clone());
            expected.extend_from_slice(&[round; 1000]);
            expected.extend_from_slice(&shared);
        }
        assert_eq!(outbox.len(), expected.len());
        let mut got = Vec::new();
        let mut chunk = vec![0; 60_000];
        loop {
            match outbox.send(&socket) {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let count = theirs.read(&mut chunk).unwrap();
            got.extend_from_slice(&chunk[..count]);
        }
        drop(socket);
        theirs.read_to_end(&mut got).unwrap();
        assert!(got == expected);
        assert!(outbox.len() == 0 && outbox.0.is_none());
    }
}
