//! What can go wrong, by whose fault: the caller's, the machine's, a server's or a load generator's.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Every way in which a run ends early.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line cannot be read.
    Arguments(lexopt::Error),
    /// A name on the command line that is in no list.
    UnknownName { option: &'static str, name: String, known: Vec<&'static str> },
    /// A number on the command line outside of its range.
    OutOfRange { option: &'static str, value: String, range: &'static str },
    /// Two servers with one label, or a baseline that does not run.
    Label { label: String, problem: &'static str },
    /// Nothing is left to measure.
    NoServers,
    /// Two processors are needed.
    OneProcessor,
    /// A program is missing and was not to be installed, or could not be.
    MissingProgram { program: &'static str, package: &'static str },
    /// The system refused an operation.
    Io { doing: &'static str, on: PathBuf, source: io::Error },
    /// A program that the bench needs failed.
    Program { program: String, status: ExitStatus, output: String },
    /// A program did not end in time.
    Deadline { program: String, seconds: u64 },
    /// A program's output is not what the bench understands.
    Output { program: String, output: String },
    /// A server ended by itself.
    ServerEnded { label: String, status: ExitStatus, log: String },
    /// A server does not answer.
    ServerSilent { label: String, log: String },
    /// A server answers with something else than the file.
    WrongAnswer { label: String, path: String, problem: AnswerProblem },
    /// A server does not judge passwords as it should.
    WrongVerdicts { label: String, answers: String },
    /// SIGINT, SIGTERM or SIGHUP.
    Interrupted,
}

/// What is wrong with a response.
#[derive(Debug)]
pub(crate) enum AnswerProblem {
    /// The connection failed or ended too early.
    Io(io::Error),
    /// Not an HTTP/1.x head, or longer than 16 KiB.
    Head,
    /// No Content-Length.
    NoLength,
    /// Another status than 200.
    Status(u16),
    /// Another number of bytes.
    Length { expected: u64, got: u64 },
    /// Other bytes; the offset of the first buffer that differs.
    Bytes { near: u64 },
}

impl Error {
    /// Wraps an I/O error with what was being done to which file.
    pub(crate) fn io(doing: &'static str, on: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let on = on.into();
        move |source| Error::Io { doing, on, source }
    }

    /// Exit status of the process: 2 for the caller's fault, 130 after a signal, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Arguments(_)
            | Error::UnknownName { .. }
            | Error::OutOfRange { .. }
            | Error::Label { .. }
            | Error::NoServers => 2,
            Error::Interrupted => 130,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Arguments(cause) => write!(f, "{cause}; --help lists the options"),
            Error::UnknownName { option, name, known } => {
                write!(f, "{option}: there is no {name:?}; choose from {}", known.join(", "))
            }
            Error::OutOfRange { option, value, range } => {
                write!(f, "{option}: {value} is out of range; give {range}")
            }
            Error::Label { label, problem } => write!(f, "{label:?} {problem}"),
            Error::NoServers => write!(f, "no server to measure: give --kimura or --peers"),
            Error::OneProcessor => {
                write!(f, "needs two processors; give --server-cpu and --client-cpu different ones")
            }
            Error::MissingProgram { program, package } => {
                write!(f, "{program} is not installed; as root: apt-get install {package}")
            }
            Error::Io { doing, on, source } => write!(f, "cannot {doing} {}: {source}", on.display()),
            Error::Program { program, status, output } => {
                write!(f, "{program} failed ({status}): {}", output.trim_end())
            }
            Error::Deadline { program, seconds } => write!(f, "{program} did not end within {seconds} s"),
            Error::Output { program, output } => {
                write!(f, "cannot understand the output of {program}: {}", output.trim_end())
            }
            Error::ServerEnded { label, status, log } => {
                write!(f, "{label} ended by itself ({status}): {}", log.trim_end())
            }
            Error::ServerSilent { label, log } => {
                write!(f, "{label} does not answer within 10 s: {}", log.trim_end())
            }
            Error::WrongAnswer { label, path, problem } => {
                write!(f, "{label} answers {path} wrongly: {problem}; nothing it does can be compared")
            }
            Error::WrongVerdicts { label, answers } => {
                write!(
                    f,
                    "{label} answers one right and one wrong password with {answers}, not with 200 and 401; \
                     its logins would say nothing"
                )
            }
            Error::Interrupted => write!(f, "interrupted"),
        }
    }
}

impl fmt::Display for AnswerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerProblem::Io(cause) => write!(f, "{cause}"),
            AnswerProblem::Head => write!(f, "the head is not HTTP/1.x or too long"),
            AnswerProblem::NoLength => write!(f, "it has no Content-Length"),
            AnswerProblem::Status(status) => write!(f, "status {status} instead of 200"),
            AnswerProblem::Length { expected, got } => write!(f, "{got} bytes instead of {expected}"),
            AnswerProblem::Bytes { near } => write!(f, "the bytes differ from the file near offset {near}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(cause: lexopt::Error) -> Error {
        Error::Arguments(cause)
    }
}
