//! A server behind the server: it says what a script says, right or wrong.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::PATIENCE;
use crate::failure::{Failure, Outcome};

/// What happens to a connection after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request is awaited.
    Next,
    /// It is closed in good order.
    Close,
    /// It is reset.
    Reset,
    /// Nothing, as long as the other side keeps it open.
    Silence,
}

/// What is said to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The bytes, as they go over the wire.
    pub bytes: Cow<'static, str>,
    /// What then happens.
    pub after: After,
}

/// A reply that is said, and after which something happens.
#[must_use]
pub fn reply(bytes: impl Into<Cow<'static, str>>, after: After) -> Reply {
    Reply { bytes: bytes.into(), after }
}

/// A scripted server on a port of its own; ends with the test.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    /// One that says the replies in turn, each to one request, on whichever connections these come.
    pub fn start(replies: Vec<Reply>) -> Outcome<Backend> {
        let failed = || Failure::machine("listen on", "127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies.into_iter()));
        let requests = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (replies, requests) = (Arc::clone(&replies), Arc::clone(&requests));
                thread::spawn(move || {
                    let next = || replies.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let note = |head| requests.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                    serve(client, next, note)
                });
            }
        });
        Ok(Backend { address, heard })
    }

    /// The heads of all requests that have come, with whatever came with them.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a server that deals with each connection by `serve`, on a thread of its own; ends with the test.
pub fn play(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Outcome<SocketAddr> {
    let failed = || Failure::machine("listen on", "127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(client));
        }
    });
    Ok(address)
}

fn serve(mut client: TcpStream, next: impl Fn() -> Option<Reply>, note: impl Fn(String)) -> Option<()> {
    loop {
        note(request(&mut client)?);
        let reply = next()?;
        // Whoever has heard enough may have gone.
        let _ = client.write_all(reply.bytes.as_bytes());
        match reply.after {
            After::Next => {}
            After::Close => return None,
            After::Reset => return reset(&client),
            After::Silence => {
                let _ = client.read_to_end(&mut Vec::new());
                return None;
            }
        }
    }
}

/// A head, and whatever comes with it; none when the other side ends.
pub fn request(client: &mut impl Read) -> Option<String> {
    let (mut heard, mut more) = (Vec::new(), [0; 4096]);
    while !heard.windows(4).any(|window| window == b"\r\n\r\n") {
        match client.read(&mut more) {
            Ok(count @ 1..) => heard.extend_from_slice(&more[..count]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&heard).into_owned())
}

/// Waits for the other side to end, without reading what it has sent before.
pub fn await_end(stream: &TcpStream) {
    let end = PollFlags::from_bits_retain(libc::POLLRDHUP);
    let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    // A test that waits for it tells when it does not come.
    let _ = poll(&mut [PollFd::new(stream.as_fd(), end)], patience);
}

/// Has the close that follows reset the connection.
pub fn reset(client: &TcpStream) -> Option<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(client, nix::sys::socket::sockopt::Linger, &linger).ok()
}
