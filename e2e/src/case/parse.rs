//! Reading a data file.

use crate::case::{BodyRule, Case, Change, Expectation, FieldRule, Final, Relation, Step, Suite};
use crate::failure::{Failure, Outcome};
use crate::response::Asked;
use crate::text::quoted;

/// Reads a whole file.
pub fn parse(text: &str) -> Outcome<Suite> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        let read = reader.line(line, index + 1);
        read.map_err(|what| Failure::Script { line: index + 1, what })?;
    }
    let suite = reader.suite;
    if suite.configuration.is_empty() || suite.cases.is_empty() {
        return Err(Failure::Script { line: 1, what: "no configuration or no case".to_owned() });
    }
    Ok(suite)
}

#[derive(Default)]
struct Reader {
    suite: Suite,
    in_configuration: bool,
}

type Read<T = ()> = Result<T, String>;

impl Reader {
    fn line(&mut self, line: &str, number: usize) -> Read {
        if self.in_configuration {
            if line.is_empty() || line.starts_with(' ') {
                self.suite.configuration.push_str(line.strip_prefix("  ").unwrap_or(line));
                self.suite.configuration.push('\n');
                return Ok(());
            }
            self.in_configuration = false;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            ">" => self.send(rest, "\\r\\n"),
            ">-" => self.send(rest, ""),
            "<" => self.expect(rest, number),
            "case" => self.case(rest, number),
            _ if self.suite.cases.is_empty() => self.preamble(word, rest),
            "final" => self.final_counter(rest, number),
            _ => self.step(word, rest),
        }
    }

    fn preamble(&mut self, word: &str, rest: &str) -> Read {
        match word {
            "config" => self.in_configuration = true,
            "arguments" => self.suite.arguments.extend(rest.split_whitespace().map(str::to_owned)),
            "open-files" => self.suite.open_files = Some(number(rest)?),
            _ => self.suite.disk.push(change(word, rest)?),
        }
        Ok(())
    }

    fn case(&mut self, name: &str, line: usize) -> Read {
        if name.is_empty() {
            return Err("a case needs a name".to_owned());
        }
        let case = Case { name: name.to_owned(), line, place: 1, eventually: false, steps: Vec::new() };
        self.suite.cases.push(case);
        Ok(())
    }

    fn current(&mut self) -> Read<&mut Case> {
        self.suite.cases.last_mut().ok_or_else(|| "this belongs into a case".to_owned())
    }

    fn push(&mut self, step: Step) -> Read {
        self.current()?.steps.push(step);
        Ok(())
    }

    /// Lines that follow one another leave in one send.
    fn send(&mut self, text: &str, end: &str) -> Read {
        let steps = &mut self.current()?.steps;
        if let Some(Step::Send(bytes)) = steps.last_mut() {
            bytes.push_str(text);
            bytes.push_str(end);
        } else {
            steps.push(Step::Send(format!("{text}{end}")));
        }
        Ok(())
    }

    /// `< STATUS ...` begins a response, every other `<` line says more about it.
    fn expect(&mut self, rest: &str, line: usize) -> Read {
        if rest.starts_with(|first: char| first.is_ascii_digit()) {
            let step = response(rest, line)?;
            return self.push(step);
        }
        match self.current()?.steps.last_mut() {
            Some(Step::Expect(expectation) | Step::Part { expectation, .. }) => detail(rest, expectation),
            _ => Err("no status line above".to_owned()),
        }
    }

    fn step(&mut self, word: &str, rest: &str) -> Read {
        let step = match word {
            "on" => {
                self.current()?.place = number(rest)?;
                return Ok(());
            }
            "eventually" => {
                self.current()?.eventually = true;
                return Ok(());
            }
            "half-close" => Step::HalfClose,
            "cut" => Step::Cut,
            "whole" => Step::Whole,
            "closed" => Step::Closed,
            "open" => Step::Open,
            "gone" => Step::Gone { status: number(rest)? },
            "reconnect" => Step::Reconnect,
            "hold" => Step::Hold,
            "save" => {
                let (field, variable) = two(rest)?;
                Step::Save { field: field.to_owned(), variable: variable.to_owned() }
            }
            "grown" => {
                let (counter, by) = two(rest)?;
                Step::Grown { counter: counter.to_owned(), by: number(by)? }
            }
            _ => Step::Disk(change(word, rest)?),
        };
        self.push(step)
    }

    fn final_counter(&mut self, rest: &str, line: usize) -> Read {
        let mut words = rest.split_whitespace();
        let (Some(counter), Some(relation), Some(value), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("wanted: final COUNTER =|>=|<= VALUE".to_owned());
        };
        let relation = match relation {
            "=" => Relation::Equal,
            ">=" => Relation::AtLeast,
            "<=" => Relation::AtMost,
            other => return Err(format!("unknown relation {other:?}")),
        };
        self.suite.finals.push(Final { line, counter: counter.to_owned(), relation, value: number(value)? });
        Ok(())
    }
}

/// `200`, `200|206`, with `head` or `part N` behind.
fn response(rest: &str, line: usize) -> Read<Step> {
    let mut words = rest.split_whitespace();
    let statuses = words.next().unwrap_or_default().split('|').map(number).collect::<Read<Vec<u16>>>()?;
    let mut expectation =
        Box::new(Expectation { line, statuses, asked: Asked::Other, fields: Vec::new(), body: Vec::new() });
    match (words.next(), words.next()) {
        (None, _) => Ok(Step::Expect(expectation)),
        (Some("head"), None) => {
            expectation.asked = Asked::Head;
            Ok(Step::Expect(expectation))
        }
        (Some("part"), Some(bytes)) => Ok(Step::Part { bytes: number(bytes)?, expectation }),
        (Some(other), _) => Err(format!("unknown word {other:?} behind the status")),
    }
}

/// `Name: pattern`, `-Name`, `body "..."`, `lacks "..."`, `size N`.
fn detail(rest: &str, expectation: &mut Expectation) -> Read {
    if let Some(name) = rest.strip_prefix('-') {
        expectation.fields.push(FieldRule::Absent { name: name.to_owned() });
        return Ok(());
    }
    let (word, operand) = rest.split_once(' ').unwrap_or((rest, ""));
    if let Some(name) = word.strip_suffix(':') {
        let pattern = operand.to_owned();
        expectation.fields.push(FieldRule::Matches { name: name.to_owned(), pattern });
        return Ok(());
    }
    expectation.body.push(match word {
        "body" => BodyRule::Matches(text(operand)?.0),
        "lacks" => BodyRule::Lacks(text(operand)?.0),
        "size" => BodyRule::Size(number(operand)?),
        other => return Err(format!("unknown expectation {other:?}")),
    });
    Ok(())
}

fn change(word: &str, rest: &str) -> Read<Change> {
    // A path with a space in it is written in quotes.
    let (path, operand) = match quoted(rest) {
        Some((path, operand)) => (path, operand.trim_start()),
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    if path.is_empty() {
        return Err(format!("{word}: no path"));
    }
    let path = path.to_owned();
    Ok(match word {
        "file" | "write" => Change::Write { path, content: text(operand)?.0 },
        "replace" => Change::Replace { path, content: text(operand)?.0 },
        "sparse" | "resize" => Change::Resize { path, size: number(operand)? },
        "link" => Change::Link { path, target: operand.to_owned() },
        "folder" => Change::Folder { path },
        "fifo" => Change::Pipe { path },
        "remove" => Change::Remove { path },
        "touch" => Change::Touch { path, seconds: number(operand)? },
        "mode" => {
            Change::Mode { path, bits: u32::from_str_radix(operand, 8).map_err(|_| "no mode".to_owned())? }
        }
        other => return Err(format!("unknown word {other:?}")),
    })
}

fn text(operand: &str) -> Read<(String, &str)> {
    let (content, rest) = quoted(operand).ok_or_else(|| format!("{operand:?} is no quoted text"))?;
    if !rest.trim().is_empty() {
        return Err(format!("{rest:?} behind the quoted text"));
    }
    Ok((content.to_owned(), rest))
}

fn two(rest: &str) -> Read<(&str, &str)> {
    let two = rest.split_once(' ').map(|(first, second)| (first, second.trim()));
    two.ok_or_else(|| "two words wanted".to_owned())
}

fn number<N: std::str::FromStr>(text: &str) -> Read<N> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
# a comment
config
  { \"server\": {} }

file a.txt \"x\\n\"
sparse big 5

case first
> GET / HTTP/1.1
>
< 200|206 part 3
< Server: k*
< -Etag
< body \"x\"
cut

case second
on 2
eventually
>- G
half-close
< 400
< size 3
closed

final limit_head >= 1
";

    #[test]
    fn reads_a_file() {
        let suite = parse(SAMPLE).expect("valid");
        assert_eq!(suite.configuration, "{ \"server\": {} }\n\n");
        assert_eq!(suite.disk.len(), 2);
        assert_eq!(suite.cases.len(), 2);
        let first = &suite.cases[0].steps;
        assert!(matches!(&first[0], Step::Send(bytes) if bytes == "GET / HTTP/1.1\\r\\n\\r\\n"));
        assert!(
            matches!(&first[1], Step::Part { bytes: 3, expectation } if expectation.statuses == [200, 206])
        );
        assert!(suite.cases[1].eventually && suite.cases[1].place == 2);
        assert_eq!(suite.finals[0].relation, Relation::AtLeast);
    }

    #[test]
    fn reads_every_data_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");
        for entry in std::fs::read_dir(folder).expect("the folder of the cases") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "case") {
                let text = std::fs::read_to_string(&path).expect("text");
                if let Err(failure) = parse(&text) {
                    panic!("{}: {failure}", path.display());
                }
            }
        }
    }

    #[test]
    fn says_where_a_file_is_wrong() {
        for (line, wrong) in [
            (4, "config\n  {}\n\nnonsense x\n"),
            (3, "config\n  {}\ncase\n"),
            (4, "config\n  {}\ncase a\n< body \"x\"\n"),
            (4, "config\n  {}\ncase a\n< 200 half\n"),
            (5, "config\n  {}\ncase a\n< 200\n< body x\n"),
            (4, "config\n  {}\ncase a\nfinal x 3\n"),
            (2, "config\n> GET\n"),
            (1, "config\n  {}\n"),
        ] {
            match parse(wrong) {
                Err(Failure::Script { line: found, .. }) => assert_eq!(found, line, "{wrong}"),
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }
}
