//! Are the bytes that a server sends the bytes of the file?

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::{answer, request};
use crate::error::AnswerProblem;

/// How long a server may be silent.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches `path` and compares it with `file`; gives back the head's length in bytes.
pub(crate) fn same_bytes(to: SocketAddr, path: &str, file: &Path) -> Result<usize, AnswerProblem> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&request(path))?;
    let mut buf = Vec::new();
    let head = loop {
        let mut part = [0; 4096];
        let got = stream.read(&mut part)?;
        if got == 0 {
            return Err(AnswerProblem::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        buf.extend_from_slice(&part[..got]);
        if let Some(head) = answer::head(&buf)? {
            break head;
        }
    };
    if head.status != 200 {
        return Err(AnswerProblem::Status(head.status));
    }
    let mut file = File::open(file)?;
    let expected = file.metadata()?.len();
    if head.body != expected {
        return Err(AnswerProblem::Length { expected, got: head.body });
    }
    compare((&buf[head.len..]).chain(stream).take(expected), &mut file)?;
    Ok(head.len)
}

/// Compares all of `answer` with `file`, which are of one length.
fn compare(mut answer: impl Read, file: &mut impl Read) -> Result<(), AnswerProblem> {
    let (mut got, mut expected) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut at = 0;
    loop {
        let n = answer.read(&mut got)?;
        if n == 0 {
            // Whatever the file still has was not sent.
            let left = io::copy(file, &mut io::sink())?;
            let short = AnswerProblem::Length { expected: at + left, got: at };
            return if left == 0 { Ok(()) } else { Err(short) };
        }
        file.read_exact(&mut expected[..n])?;
        if got[..n] != expected[..n] {
            return Err(AnswerProblem::Bytes { near: at });
        }
        at += n as u64;
    }
}

impl From<io::Error> for AnswerProblem {
    fn from(cause: io::Error) -> AnswerProblem {
        AnswerProblem::Io(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &[u8], expected: Result<(), &str>) {
        let result = compare(answer, &mut &b"the file"[..]);
        assert_eq!(result.map_err(|problem| problem.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn bodies_are_compared() {
        check(b"the file", Ok(()));
        check(b"the fill", Err("the bytes differ from the file near offset 0"));
        check(b"the f", Err("5 bytes instead of 8"));
    }
}
