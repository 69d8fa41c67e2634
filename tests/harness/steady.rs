//! A TCP stream that goes on after an interrupted call. A blocking read with a time-out ends with EINTR when the
//! whole process was stopped and continued (signal(7)), which says nothing about the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// The stream.
pub struct Steady(pub TcpStream);

fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        again(|| self.0.read(buffer))
    }
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        again(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
