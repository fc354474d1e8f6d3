//! Connections that have had one answer each and then stay open.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::handshakes::Client;
use super::{answer, request};
use crate::error::{AnswerProblem, Error};
use crate::interrupt::Interrupt;

/// How long a server may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Open, silent connections; dropping them closes them.
pub(crate) struct Idle(Vec<TcpStream>);

impl Idle {
    /// Opens `count` connections, one after the other, with one small request on each.
    pub(crate) fn open(
        to: SocketAddr,
        path: &str,
        mut client: Option<Client>,
        count: usize,
        label: &str,
        interrupt: &Interrupt,
    ) -> Result<Idle, Error> {
        let request = request(path);
        let mut idle = Idle(Vec::with_capacity(count));
        for _ in 0..count {
            interrupt.check()?;
            let stream = one(to, &request, client.as_mut()).map_err(|problem| Error::WrongAnswer {
                label: label.to_owned(),
                path: format!("{path} on idle connection {}", idle.0.len() + 1),
                problem,
            })?;
            idle.0.push(stream);
        }
        Ok(idle)
    }

    /// How many of them the server has closed meanwhile.
    pub(crate) fn lost(&self) -> usize {
        let open = |stream: &TcpStream| {
            stream.set_nonblocking(true).is_ok()
                && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        };
        self.0.iter().filter(|stream| !open(stream)).count()
    }
}

fn one(to: SocketAddr, request: &[u8], client: Option<&mut Client>) -> Result<TcpStream, AnswerProblem> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    match client {
        // The server does not see that the client forgets its session.
        Some(client) => exchange(&mut client.begin(&mut stream)?, request)?,
        None => exchange(&mut stream, request)?,
    };
    Ok(stream)
}

/// Sends a request and reads its answer; gives back how many bytes that has.
pub(super) fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<usize, AnswerProblem> {
    stream.write_all(request)?;
    let mut buf = Vec::with_capacity(512);
    loop {
        let mut part = [0; 512];
        let got = stream.read(&mut part)?;
        if got == 0 {
            return Err(AnswerProblem::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        buf.extend_from_slice(&part[..got]);
        if let Some(head) = answer::head(&buf)? {
            if head.status != 200 {
                return Err(AnswerProblem::Status(head.status));
            }
            if (buf.len() - head.len) as u64 >= head.body {
                return Ok(buf.len());
            }
        }
    }
}
