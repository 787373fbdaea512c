//! Provider servers that speak the real wire, for demo, tests and integrators. Each appends every receipt to
//! its own log, which is what the books are checked against. Addresses with certain prefixes are treated badly.
//! In [`private`] are real servers of the store and the coordination.

pub mod log;
pub mod private;
pub mod smtp;
pub mod wecom;

use tokio::net::{TcpListener, TcpStream};

use crate::runtime::tasks::Tasks;

/// The next connection, with Nagle's algorithm off; `None` when it is time to stop.
async fn accept(listener: &TcpListener, tasks: &Tasks) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            () = tasks.stopping() => return None,
            accepted = listener.accept() => accepted,
        };
        // A connection that breaks while it is accepted is its client's affair.
        if let Ok((stream, _)) = accepted
            && stream.set_nodelay(true).is_ok()
        {
            return Some(stream);
        }
    }
}
