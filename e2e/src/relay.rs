//! Somebody between a client and the server, who passes on what the client says in a manner of its own.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::failure::{Failure, Outcome};

/// How bytes from clients are passed on. Those of the server are passed on as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Each by itself.
    OneByOne,
    /// Only so many; then the client is said to have ended.
    Cut(usize),
    /// All, but the one behind so many others with a wrong bit.
    Spoil(usize),
}

/// Starts to relay connections to `server`; ends with the test. Returns where clients have to connect to.
pub fn relay(server: SocketAddr, manner: Manner) -> Outcome<SocketAddr> {
    let failed = || Failure::machine("listen on", "127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(upstream) = TcpStream::connect(server) else { return };
            // Whoever of both ends first ends the other, and the test sees it.
            thread::spawn(move || pass(client, &upstream, manner).ok());
        }
    });
    Ok(address)
}

fn pass(client: TcpStream, upstream: &TcpStream, manner: Manner) -> io::Result<()> {
    upstream.set_nodelay(true)?;
    let (mut from, mut to) = (upstream.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write).ok();
        copied
    });
    forward(client, upstream, manner)?;
    upstream.shutdown(Shutdown::Write)?;
    back.join().expect("copying does not panic")?;
    Ok(())
}

fn forward(mut client: TcpStream, mut upstream: &TcpStream, manner: Manner) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut passed = 0;
    loop {
        let count = client.read(&mut buffer)?;
        let bytes = &mut buffer[..count];
        match manner {
            _ if count == 0 => return Ok(()),
            Manner::OneByOne => {
                bytes.chunks(1).try_for_each(|byte| upstream.write_all(byte))?;
            }
            Manner::Cut(after) if after <= passed + count => {
                return upstream.write_all(&bytes[..after - passed]);
            }
            Manner::Spoil(after) if (passed..passed + count).contains(&after) => {
                bytes[after - passed] ^= 1;
                upstream.write_all(bytes)?;
            }
            Manner::Cut(_) | Manner::Spoil(_) => upstream.write_all(bytes)?,
        }
        passed += count;
    }
}
