//! The texts made of the option table.

mod completions;
mod help;
mod man;

pub(crate) use help::help;

/// What `--generate` can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artefact {
    Man,
    Bash,
    Zsh,
    Fish,
    /// Of the configuration, not of the command line.
    Reference,
}

impl Artefact {
    /// The one of that name among [`ARTEFACTS`](crate::options::ARTEFACTS).
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "man" => Some(Self::Man),
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            "reference" => Some(Self::Reference),
            _ => None,
        }
    }

    /// Its text.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Man => man::page(),
            Self::Bash => completions::bash(),
            Self::Zsh => completions::zsh(),
            Self::Fish => completions::fish(),
            Self::Reference => config::reference(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{ARTEFACTS, OPTIONS};

    #[test]
    fn every_artefact_of_the_command_line_names_every_option() {
        for name in ARTEFACTS.iter().filter(|name| **name != "reference") {
            let text = Artefact::named(name).expect("a listed artefact exists").text();
            for option in OPTIONS {
                assert!(text.contains(option.long), "{name} lacks --{}", option.long);
            }
        }
    }
}
