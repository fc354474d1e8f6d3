//! Reads the text of a configuration, which nobody with rights does.

use super::{Fault, Place, begin_confined, lookout, needs};
use crate::certificates::{Flaw, Material};
use crate::logins;
use crate::logs;
use crate::receivers::Found;
use crate::remote;
use crate::settings::{self, Unloadable};
use config::{Loaded, Problems, Registry};
use privsep::link::Link;
use privsep::message::{Contents, Depth, FromCheck, Subject, ToCheck, Trouble};
use privsep::role::Role;
use privsep::sealed;
use std::os::fd::{AsFd, OwnedFd};
use tls::Severity;

type Up = Link<FromCheck, ToCheck>;

/// Most bytes of a text that is handed over.
const TEXT_MAX: usize = config::TEXT_MAX + 1;

/// Examines one text, and explains what could not be done for it, until nobody asks any more.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link = Up::new(link);
    let (ToCheck::Examine { hello, subject, depth }, text) = link.receive_waiting()? else {
        return Err(Fault::Order);
    };
    begin_confined(Role::Check, &hello, place)?;
    let text = text.first().ok_or(Fault::Order)?;
    let text = sys::mem::read_sealed(text.as_fd(), TEXT_MAX).map_err(|error| Fault::Link(error.into()))?;
    let (loaded, found) = match examine(&subject, text, &depth) {
        Ok(right) => right,
        Err(Unloadable::Problems(problems)) => return refuse(&link, problems.len(), &problems.to_string()),
        Err(Unloadable::NoText(why)) => return refuse(&link, 1, &why),
    };
    let public = loaded.public_source().map_or_else(String::new, |source| source.text);
    let needs = sealed::seal(&needs::of(&loaded, &found)).map_err(|error| Fault::Link(error.into()))?;
    let right = FromCheck::Needs { subject: settings::public(subject) };
    link.send_waiting(&right, &[seal(public.as_bytes())?.as_fd(), needs.as_fd()])?;
    loop {
        match link.receive_waiting()? {
            (ToCheck::Judge, sealed) => {
                let [workers, of_auth, agent] = sealed.as_slice() else { return Err(Fault::Order) };
                let mut problems =
                    judge(&loaded, sealed::unseal_secret(workers)?, sealed::unseal_secret(of_auth)?);
                judge_agent(&loaded, sealed::unseal_secret(agent)?, &mut problems);
                if problems.is_empty() {
                    link.send_waiting(&FromCheck::Fit, &[])?;
                } else {
                    refuse(&link, problems.len(), &problems.to_string())?;
                }
            }
            (ToCheck::Explain { troubles }, _) => {
                let problems = explained(&troubles, &loaded.registry);
                refuse(&link, problems.len(), &problems.to_string())?;
            }
            (ToCheck::Examine { .. }, _) => return Err(Fault::Order),
        }
    }
}

/// What is wrong with the files that were handed over. What clients will not like one day is a warning.
fn judge(loaded: &Loaded, contents: Contents, of_auth: Contents) -> Problems {
    let Loaded { config, registry } = loaded;
    let contents = contents.files.into_iter().map(|file| file.0).collect();
    let mut problems = Problems::new();
    match Material::new(config, contents) {
        Err(flaws) => flaws.iter().for_each(|flaw| problems.push(flaw.problem(registry))),
        Ok(material) => {
            let (found, warnings) = material.judge(config, registry);
            problems.extend(found.iter().cloned());
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            if let Err(error) = material.serve(config, &[]) {
                problems.push(Flaw::of_all(&error).problem(registry));
            }
        }
    }
    let of_auth: Vec<Vec<u8>> = of_auth.files.into_iter().map(|file| file.0).collect();
    let warnings = logins::judge(config, registry, &of_auth, &mut problems);
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    problems
}

/// The same of the files for the agent.
fn judge_agent(loaded: &Loaded, contents: Contents, problems: &mut Problems) {
    let Loaded { config, registry } = loaded;
    let Some(remote) = &config.server.control.remote else { return };
    let host = match remote::host(contents.files.into_iter().map(|file| file.0).collect()) {
        Ok(host) => host,
        Err(wrong) => return problems.push(wrong.flaw(config).problem(registry)),
    };
    for found in remote::problems(&host) {
        match found.severity() {
            Severity::Error => {
                let pointer = format!("{}/chain", remote.pointer);
                problems.push(Flaw { pointer, sentence: found.to_string() }.problem(registry));
            }
            Severity::Warning => log::warn!("commands from elsewhere: {found}"),
        }
    }
    if let Err(error) = remote::hosts(host) {
        problems
            .push(Flaw { pointer: remote.pointer.clone(), sentence: error.to_string() }.problem(registry));
    }
}

fn examine(subject: &Subject, text: Vec<u8>, depth: &Depth) -> Result<(Loaded, Found), Unloadable> {
    let loaded = settings::load(subject, text)?;
    if matches!(depth, Depth::Text) {
        return Ok((loaded, Found::default()));
    }
    let Loaded { config, registry } = &loaded;
    if matches!(depth, Depth::Names) {
        // What is not found now was found before: that is no problem, and nobody has changed anything.
        let found = Found::look_up(config, registry, &mut Problems::new());
        return Ok((loaded, found));
    }
    let mut problems = logs::check(config, registry);
    let found = Found::look_up(config, registry, &mut problems);
    if let Err(found) = site::compile(config, registry) {
        problems.extend(found.iter().cloned());
    }
    lookout::warn_of_names(config);
    logins::judge_users(config, registry, &mut problems);
    problems.extend(hashes(&loaded).iter().cloned());
    problems.or((loaded, found)).map_err(Unloadable::Problems)
}

/// What is wrong with the hashes of passwords.
fn hashes(loaded: &Loaded) -> Problems {
    let mut problems = Problems::new();
    for (name, _, hash) in &loaded.config.server.control.users {
        if let Err(bad) = auth::Users::new([(name.clone(), hash.clone())]) {
            let sentence = bad.to_string();
            let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "make another"));
            let pointer = format!("/server/control/users/{name}");
            problems.push(loaded.registry.problem(&pointer, cause, cure));
        }
    }
    problems
}

fn explained(troubles: &[Trouble], registry: &Registry) -> Problems {
    let mut problems = Problems::new();
    for Trouble { pointer, cause, cure } in troubles {
        problems.push(registry.problem(pointer, cause, cure));
    }
    problems
}

fn refuse(link: &Up, count: usize, text: &str) -> Result<(), Fault> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(link.send_waiting(&FromCheck::Problems { count }, &[seal(text.as_bytes())?.as_fd()])?)
}

fn seal(bytes: &[u8]) -> Result<OwnedFd, Fault> {
    sys::mem::sealed("kimura-check", bytes).map_err(|error| Fault::Link(error.into()))
}
