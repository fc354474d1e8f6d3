//! Files, ports and signals, by Landlock.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};

use super::SandboxError;

/// The newest version that is asked for; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V6;

/// How far the kernel goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// All of it.
    Full,
    /// What this kernel's version of Landlock knows.
    Partial,
    /// Nothing: the kernel has no Landlock, or it is switched off.
    None,
}

/// Whom a process can connect to by TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody.
    Nobody,
    /// Everybody.
    Everybody,
}

/// From now on this thread, and all that it starts, can open nothing but what lies at or beneath `readable`, and that
/// only for reading; it can bind no TCP port, connect to none beyond `reach`, signal no process of others, and reach no abstract Unix
/// socket of others. What is open already stays usable. Paths that are not there are left out.
///
/// # Errors
/// When the kernel has Landlock and does not take the rules.
pub fn keep_files<P: AsRef<Path>>(readable: &[P], reach: Reach) -> Result<Enforcement, SandboxError> {
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let ports = match reach {
        Reach::Nobody => AccessNet::from_all(NEWEST),
        Reach::Everybody => AccessNet::BindTcp.into(),
    };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(ports)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let restricted = ruleset.add_rules(path_beneath_rules(readable, reading))?.restrict_self()?;
    Ok(match restricted.ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::None,
    })
}
