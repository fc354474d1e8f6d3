//! An upgrade, in the program that the process of a server has become.

use crate::arguments::{self, Command};
use crate::boot::{self, Home, Past};
use crate::error::Error;
use privsep::message::State;
use privsep::sealed::unseal;
use privsep::stage::Stage;
use privsep::supervisor::{self, Inheritance};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use sys::spawn::{Legacy, Program};

/// The numbers that the program before has left on the command line.
pub(crate) struct Numbers {
    /// An encoded [`State`] in sealed memory.
    state: u32,
    /// The program before.
    previous: u32,
    /// Why the program between has given up, in sealed memory.
    verdict: Option<u32>,
}

impl Numbers {
    /// What `words` are, if that is what they are.
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Option<Self> {
        let numbers: Vec<u32> = words.map(|word| word.to_str()?.parse().ok()).collect::<Option<Vec<_>>>()?;
        match numbers[..] {
            [state, previous] => Some(Self { state, previous, verdict: None }),
            [state, previous, verdict] => Some(Self { state, previous, verdict: Some(verdict) }),
            _ => None,
        }
    }
}

/// Serves on in place of the program before, or becomes that one again.
///
/// # Errors
/// Why neither is possible.
pub(crate) fn take_over(numbers: &Numbers) -> Result<(), Error> {
    boot::begin()?;
    match attempt(numbers) {
        Ok(()) => Ok(()),
        // There is no third program to go on.
        Err(error) if numbers.verdict.is_some() => Err(error),
        Err(error) => {
            log::error!("going back to the program before: {error}");
            let mut legacy = Legacy::default();
            let take = |legacy: &mut Legacy, number| {
                legacy.take(number).map_err(Error::process("find what the program before has left"))
            };
            let (state, previous) = (take(&mut legacy, numbers.state)?, take(&mut legacy, numbers.previous)?);
            let cause = supervisor::give_back(&state, previous, &error.to_string());
            Err(Error::Process { what: "go back to the program before", cause })
        }
    }
}

fn attempt(numbers: &Numbers) -> Result<(), Error> {
    let mut legacy = Legacy::default();
    let mut take =
        |number| legacy.take(number).map_err(Error::process("find what the program before has left"));
    let state: State = unseal(&take(numbers.state)?)?;
    take(numbers.previous)?;
    let verdict = numbers.verdict.map(&mut take).transpose()?;
    let verdict = verdict.map(|memory| unseal(&memory)).transpose()?;
    let mut home = home(&state)?;
    let program = Program::own().map_err(Error::process("open the program itself"))?;
    let inheritance = Inheritance { state, legacy, verdict };
    Ok(supervisor::resume(&mut home, Stage::Processes(program), inheritance)?)
}

/// The house that a state is about.
pub(crate) fn home(state: &State) -> Result<Home, Error> {
    let arguments: Vec<OsString> =
        state.arguments.iter().map(|word| OsString::from_vec(word.0.clone())).collect();
    let past = Past {
        folder: state.folder.clone(),
        program: state.new_program.clone(),
        arguments: arguments.clone(),
    };
    match arguments::parse(arguments)? {
        Command::Serve(wishes, reports) => Home::with(&wishes, reports, past),
        _ => Err(Error::NotDone("the command line of the running server is none of a server".to_owned())),
    }
}
