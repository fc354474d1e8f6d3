//! Completions for bash, zsh and fish.

use crate::options::{Kind, OPERAND, OPTIONS, Opt};
use crate::verbs::VERBS;

/// `-c --conf`.
fn names(option: &Opt) -> impl Iterator<Item = String> {
    let short = option.short.map(|short| format!("-{short}"));
    short.into_iter().chain([format!("--{}", option.long)])
}

fn verb_names() -> String {
    VERBS.iter().map(|verb| verb.name).collect::<Vec<_>>().join(" ")
}

/// The words that may follow a command.
fn operands() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    VERBS.iter().filter_map(|verb| match verb.operand.value()?.kind {
        Kind::Words(words) => Some((verb.name, words)),
        _ => None,
    })
}

/// For bash: sourced, or put into the folder of its completions.
pub(crate) fn bash() -> String {
    let mut arms = String::new();
    for option in OPTIONS {
        let Some(value) = &option.value else { continue };
        let pattern = names(option).collect::<Vec<_>>().join("|");
        let source = match value.kind {
            Kind::File => "-f",
            Kind::Group => "-g",
            Kind::User => "-u",
            Kind::Words(words) => &format!("-W '{}'", words.join(" ")),
            Kind::Free => "-W ''",
        };
        arms.push_str(&format!(
            "        {pattern}) mapfile -t COMPREPLY < <(compgen {source} -- \"$word\"); return ;;\n"
        ));
    }
    for (name, words) in operands() {
        let words = words.join(" ");
        arms.push_str(&format!(
            "        {name}) mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$word\"); return ;;\n"
        ));
    }
    let all: Vec<String> = OPTIONS.iter().flat_map(names).collect();
    format!(
        "_kimura() {{\n    \
             local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n    \
             case $before in\n\
         {arms}    \
             esac\n    \
             case $word in\n        \
                 -*) mapfile -t COMPREPLY < <(compgen -W '{all}' -- \"$word\") ;;\n        \
                 *) mapfile -t COMPREPLY < <(compgen -d -W '{verbs}' -- \"$word\") ;;\n    \
             esac\n\
         }}\n\
         complete -o filenames -F _kimura kimura\n",
        all = all.join(" "),
        verbs = verb_names(),
    )
}

/// For zsh: a file `_kimura` in a folder of `fpath`.
pub(crate) fn zsh() -> String {
    let mut text = String::from("#compdef kimura\n_arguments -s -S \\\n");
    for option in OPTIONS {
        let action = match &option.value {
            None => String::new(),
            Some(value) => {
                let source = match value.kind {
                    Kind::File => "_files",
                    Kind::Group => "_groups",
                    Kind::User => "_users",
                    Kind::Words(words) => &format!("({})", words.join(" ")),
                    Kind::Free => " ",
                };
                format!(":{}:{source}", value.name)
            }
        };
        let all: Vec<String> = names(option).collect();
        // One name excludes the others of the same option, unless it may be repeated.
        let others = if option.repeatable { "*".to_owned() } else { format!("({})", all.join(" ")) };
        for name in all {
            // The value may be attached: -cPATH, --conf=PATH.
            let name = match (&option.value, name.starts_with("--")) {
                (None, _) => name,
                (Some(_), true) => format!("{name}="),
                (Some(_), false) => format!("{name}+"),
            };
            text.push_str(&format!("    '{others}{name}[{}]{action}' \\\n", option.summary));
        }
    }
    let words: String = operands().flat_map(|(_, words)| words).map(|word| format!(" {word}")).collect();
    let verbs = verb_names();
    text.push_str(&format!(
        "    '::{OPERAND} or COMMAND:_alternative \"commands\\:command\\:({verbs})\" \"folders\\:folder\\:_files -/\"' \\\n    \
             '::operand:({})'\n",
        words.trim_start()
    ));
    text
}

/// For fish: a file `kimura.fish` in the folder of its completions.
pub(crate) fn fish() -> String {
    let mut text = String::from("complete -c kimura -f -a '(__fish_complete_directories)'\n");
    for verb in VERBS {
        text.push_str(&format!(
            "complete -c kimura -n __fish_is_first_arg -a {} -d '{}'\n",
            verb.name, verb.summary
        ));
    }
    for (name, words) in operands() {
        text.push_str(&format!(
            "complete -c kimura -n '__fish_seen_subcommand_from {name}' -a '{}'\n",
            words.join(" ")
        ));
    }
    for option in OPTIONS {
        text.push_str("complete -c kimura");
        if let Some(short) = option.short {
            text.push_str(&format!(" -s {short}"));
        }
        text.push_str(&format!(" -l {}", option.long));
        match option.value.as_ref().map(|value| value.kind) {
            None => {}
            Some(Kind::File) => text.push_str(" -r -F"),
            Some(Kind::Group) => text.push_str(" -x -a '(__fish_complete_groups)'"),
            Some(Kind::User) => text.push_str(" -x -a '(__fish_complete_users)'"),
            Some(Kind::Words(words)) => text.push_str(&format!(" -x -a '{}'", words.join(" "))),
            Some(Kind::Free) => text.push_str(" -x"),
        }
        text.push_str(&format!(" -d '{}'\n", option.summary));
    }
    text
}
