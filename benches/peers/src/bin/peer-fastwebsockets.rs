//! tokio on one thread, fastwebsockets as its own echo example has it (collected fragments, unconstrained tasks), but
//! over the bare `TcpStream` instead of hyper's upgraded one: its best case. Knows nothing of Switchboard.

use std::io::{self, ErrorKind};

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket, WebSocketError};
use switchboard_peers::{Mode, Upgrade, start, upgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let (listener, _) = start(&[Mode::Echo])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(async move {
                match serve(stream).await {
                    Ok(()) | Err(WebSocketError::UnexpectedEOF | WebSocketError::IoError(_)) => {}
                    Err(error) => eprintln!("peer-fastwebsockets: {error}"),
                }
            }));
        }
    })
}

async fn serve(mut stream: TcpStream) -> Result<(), WebSocketError> {
    handshake(&mut stream).await?;
    let mut socket = FragmentCollector::new(WebSocket::after_handshake(stream, Role::Server));
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            // The library has answered it.
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}

async fn handshake(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match upgrade(&request) {
            Upgrade::Partial => {}
            // RFC 6455 section 4.1: a client sends nothing before it has the answer; the library could not take it.
            Upgrade::Accepted { head_bytes, answer } if head_bytes == request.len() => {
                return stream.write_all(answer.as_bytes()).await;
            }
            Upgrade::Accepted { .. } | Upgrade::Refused => return Err(ErrorKind::InvalidData.into()),
        }
    }
}
