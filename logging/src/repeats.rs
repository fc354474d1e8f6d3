//! Messages that come again and again: a few are written, the others counted and told as one.

use std::time::Duration;

/// How many that are alike are written within [`PERIOD`].
const WRITTEN: u32 = 5;
/// For so long messages count as repeats of the first.
const PERIOD: Duration = Duration::from_secs(60);
/// Different messages that are remembered; others are written, however often they come.
const REMEMBERED: usize = 64;

/// A message of the last minute.
struct Known {
    /// Level, place and text.
    message: Vec<u8>,
    /// When the first one came, in seconds since 1970.
    since: u64,
    written: u32,
    counted: u64,
}

/// What became of the messages of the last minute.
#[derive(Default)]
pub(crate) struct Repeats {
    known: Vec<Known>,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is to be written.
    Written,
    /// It is counted.
    Counted,
}

impl Repeats {
    /// Decides about a message that has come `now`, in seconds since 1970. `tell` gets what has to be told before it.
    pub(crate) fn take(&mut self, now: u64, message: &[u8], tell: impl FnMut(&[u8])) -> Fate {
        self.settle(now, tell);
        if let Some(known) = self.known.iter_mut().find(|known| known.message == message) {
            if known.written == WRITTEN {
                known.counted += 1;
                return Fate::Counted;
            }
            known.written += 1;
            return Fate::Written;
        }
        if self.known.len() < REMEMBERED {
            self.known.push(Known { message: message.to_vec(), since: now, written: 1, counted: 0 });
        }
        Fate::Written
    }

    /// Ends the minutes that are over `now`, and tells what was counted in them.
    pub(crate) fn settle(&mut self, now: u64, mut tell: impl FnMut(&[u8])) {
        self.known.retain(|known| {
            // A clock that was set back ends it, too.
            let goes_on = (known.since..known.since + PERIOD.as_secs()).contains(&now);
            if !goes_on {
                known.tell(&mut tell);
            }
            goes_on
        });
    }

    /// Tells what was counted so far, and begins anew.
    pub(crate) fn end(&mut self, mut tell: impl FnMut(&[u8])) {
        self.known.drain(..).for_each(|known| known.tell(&mut tell));
    }

    /// How long it is `now` until something may have to be told.
    pub(crate) fn due(&self, now: u64) -> Option<Duration> {
        let counting = self.known.iter().filter(|known| known.written == WRITTEN);
        let end = counting.map(|known| known.since + PERIOD.as_secs()).min()?;
        Some(Duration::from_secs(end.saturating_sub(now).clamp(1, PERIOD.as_secs())))
    }
}

impl Known {
    fn tell(&self, tell: &mut impl FnMut(&[u8])) {
        if self.counted == 0 {
            return;
        }
        let count = format!("... {} more like this in the last minute: ", self.counted);
        // Level and place end where the text begins.
        let at = self.message.windows(2).position(|two| two == b": ").map_or(0, |at| at + 2);
        tell(&[&self.message[..at], count.as_bytes(), &self.message[at..]].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes messages as (second, text), and shows what is written.
    fn written(messages: &[(u64, &str)]) -> Vec<String> {
        let mut repeats = Repeats::default();
        let mut all = Vec::new();
        for (now, text) in messages {
            let fate = repeats.take(*now, text.as_bytes(), |told| all.push(told.to_vec()));
            if fate == Fate::Written {
                all.push(text.as_bytes().to_vec());
            }
        }
        repeats.end(|told| all.push(told.to_vec()));
        all.into_iter().map(|line| String::from_utf8(line).expect("text")).collect()
    }

    #[test]
    fn a_few_are_written_and_the_others_told_as_one() {
        let some = |count: usize, second: u64| vec![(second, "WARN  a: b: c"); count];
        let told = |count: u32| format!("WARN  a: ... {count} more like this in the last minute: b: c");
        let alike = |count: usize| vec!["WARN  a: b: c".to_owned(); count];
        assert_eq!(written(&some(5, 100)), alike(5));
        assert_eq!(written(&some(46, 100)), [alike(5), vec![told(41)]].concat());
        // Another one does not end the minute, but the first one after it does.
        let mut messages = some(7, 100);
        messages.extend([(159, "INFO  x: y"), (160, "INFO  x: z")]);
        let wanted = [alike(5), vec!["INFO  x: y".to_owned(), told(2), "INFO  x: z".to_owned()]].concat();
        assert_eq!(written(&messages), wanted);
        let messages = [some(6, 100), some(6, 160)].concat();
        assert_eq!(written(&messages), [alike(5), vec![told(1)], alike(5), vec![told(1)]].concat());
        let set_back = [some(6, 100), some(1, 99)].concat();
        assert_eq!(written(&set_back), [alike(5), vec![told(1)], alike(1)].concat());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut repeats = Repeats::default();
        for number in 0..10_000 {
            let fate = repeats.take(100, format!("INFO  a: {number}").as_bytes(), |_| {});
            assert_eq!(fate, Fate::Written);
        }
        assert_eq!(repeats.known.len(), REMEMBERED);
        assert_eq!(repeats.due(100), None);
        for _ in 0..5 {
            repeats.take(110, b"INFO  a: 1", |_| {});
        }
        assert_eq!(repeats.due(130), Some(Duration::from_secs(30)));
        assert_eq!(repeats.due(500), Some(Duration::from_secs(1)));
    }
}
