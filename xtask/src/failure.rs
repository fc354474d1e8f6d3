//! Why a chore did not succeed.

use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(&'static str),
    /// The machine refused something.
    Machine { what: &'static str, subject: PathBuf, error: io::Error },
    /// A program ended with a failure; it has said why itself.
    Program { line: String, status: String },
    /// A program printed something else than agreed.
    Answer { program: &'static str, what: String },
    /// Something is missing that cannot be installed from here.
    Missing { what: &'static str, cure: String },
    /// Rules of the project are broken, one line each.
    Rules(Vec<String>),
    /// The closing count has failures in it; they were told above.
    Tests,
}

impl Failure {
    pub(crate) fn machine(
        what: &'static str,
        subject: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Failure {
        let subject = subject.into();
        move |error| Failure::Machine { what, subject, error }
    }

    /// Success if no rule is broken.
    pub(crate) fn unless_empty(faults: Vec<String>) -> Outcome {
        if faults.is_empty() { Ok(()) } else { Err(Failure::Rules(faults)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(usage) => f.write_str(usage.trim_end()),
            Failure::Machine { what, subject, error } => {
                write!(f, "cannot {what} {}: {error}", subject.display())
            }
            Failure::Program { line, status } => write!(f, "`{line}` ended with {status}"),
            Failure::Answer { program, what } => write!(f, "{program}: {what}"),
            Failure::Missing { what, cure } => write!(f, "{what} is missing: {cure}"),
            Failure::Rules(faults) => write!(f, "{}", faults.join("\n")),
            Failure::Tests => f.write_str("not all passed"),
        }
    }
}
