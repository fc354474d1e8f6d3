//! Whether a server is well, by the checks that it has passed and failed.

use config::{Health as Rule, LogStatus};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// As it should.
    Passed,
    /// Otherwise.
    Failed,
}

/// What the checks of a server have come to. A server is well until its first check, which alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No check has ended yet.
    Unknown,
    /// It is well, and has failed that many checks in a row since.
    Up(u32),
    /// It is not, and has passed that many checks in a row since.
    Down(u32),
}

impl Health {
    /// After another check.
    #[must_use]
    pub fn after(self, checked: Checked, rule: &Rule) -> Health {
        match (self, checked) {
            (Health::Unknown | Health::Up(_), Checked::Passed) => Health::Up(0),
            (Health::Unknown | Health::Down(_), Checked::Failed) => Health::Down(0),
            (Health::Up(failed), Checked::Failed) if rule.fall <= failed + 1 => Health::Down(0),
            (Health::Up(failed), Checked::Failed) => Health::Up(failed + 1),
            (Health::Down(passed), Checked::Passed) if rule.rise <= passed + 1 => Health::Up(0),
            (Health::Down(passed), Checked::Passed) => Health::Down(passed + 1),
        }
    }

    /// Whether it gets no requests.
    #[must_use]
    pub fn is_down(self) -> bool {
        matches!(self, Health::Down(_))
    }
}

/// Most bytes of an answer that are looked at: a status line is shorter.
const LINE_MAX: usize = 256;

/// What has come of the answer to a check by HTTP, after so many bytes of it; none while that cannot be told. Only what
/// stands on the status line counts (RFC 9112 section 4).
#[must_use]
pub fn judge(answer: &[u8], rule: &Rule) -> Option<Checked> {
    let end = answer.iter().position(|byte| *byte == b'\n');
    let Some(end) = end else { return (LINE_MAX <= answer.len()).then_some(Checked::Failed) };
    let line = answer[..end].strip_suffix(b"\r").unwrap_or(&answer[..end]);
    let status = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let code = status.and_then(|status| {
        let (digits, rest) = status.split_at_checked(3)?;
        let fine = digits.iter().all(u8::is_ascii_digit) && (rest.is_empty() || rest.starts_with(b" "));
        fine.then(|| digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
    });
    Some(code.map_or(Checked::Failed, |code| judge_status(code, rule)))
}

/// What such a status says.
#[must_use]
pub fn judge_status(code: u16, rule: &Rule) -> Checked {
    let fits = rule.statuses.iter().any(|status| match status {
        LogStatus::Code(wanted) => *wanted == code,
        LogStatus::Class(class) => u16::from(*class) == code / 100,
    });
    if fits { Checked::Passed } else { Checked::Failed }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rule(rise: u32, fall: u32) -> Rule {
        Rule {
            path: Some("/health".to_owned()),
            host: None,
            statuses: vec![LogStatus::Class(2), LogStatus::Code(304)],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise,
            fall,
        }
    }

    /// Plays checks: `+` passed, `-` failed. `u` and `d` are how the server is after each.
    fn check(rise: u32, fall: u32, checks: &str, wanted: &str) {
        let mut health = Health::Unknown;
        let found: String = checks
            .chars()
            .map(|sign| {
                let checked = if sign == '+' { Checked::Passed } else { Checked::Failed };
                health = health.after(checked, &rule(rise, fall));
                if health.is_down() { 'd' } else { 'u' }
            })
            .collect();
        assert_eq!(found, wanted, "{rise} {fall} {checks}");
    }

    #[test]
    fn a_server_rises_and_falls_by_checks_in_a_row() {
        assert!(!Health::Unknown.is_down(), "nothing is known yet");
        check(2, 3, "+---++--", "uuudduuu");
        check(2, 3, "-+-++-+---", "dddduuuuud");
        check(1, 1, "+-+-", "udud");
    }

    #[test]
    fn the_status_line_decides() {
        let (passed, failed) = (Some(Checked::Passed), Some(Checked::Failed));
        let long = "HTTP/1.1 200 ".to_owned() + &"x".repeat(LINE_MAX);
        for (answer, wanted) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", passed),
            ("HTTP/1.0 204\n", passed),
            ("HTTP/1.1 299 \r\n", passed),
            ("HTTP/1.1 304 Not Modified\r\n", passed),
            ("HTTP/1.1 301 Moved\r\n", failed),
            ("HTTP/1.1 503 No\r\n", failed),
            ("HTTP/1.1 2000 OK\r\n", failed),
            ("HTTP/1.1 20 OK\r\n", failed),
            ("HTTP/1.1 +20 OK\r\n", failed),
            ("HTTP/2 200 OK\r\n", failed),
            ("hello\n", failed),
            ("\n", failed),
            ("HTTP/1.1 200 OK", None),
            ("", None),
            (&long, failed),
        ] {
            assert_eq!(judge(answer.as_bytes(), &rule(1, 1)), wanted, "{answer:?}");
        }
    }
}
