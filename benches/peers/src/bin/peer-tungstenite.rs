//! tokio on one thread, tokio-tungstenite, one task per connection. Knows nothing of Switchboard.

use std::io;

use futures_util::{SinkExt, StreamExt};
use switchboard_peers::{Mode, start};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The library fills its whole read buffer with zeros before each read: its default of 128 KiB costs more than all the
/// rest of an echo (README.md, "Fairness"). This is enough for the messages we measure.
const READ_BUFFER_BYTES: usize = 4 * 1024;

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
            tokio::spawn(async move {
                match echo(stream).await {
                    Ok(()) | Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)) => {}
                    Err(error) => eprintln!("peer-tungstenite: {error}"),
                }
            });
        }
    })
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        // Pings and closes are answered by the library.
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
