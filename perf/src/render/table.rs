//! What happened in the last second, as one line.

use std::fmt::Write;
use std::time::Duration;

use crate::Snapshot;
use crate::table::Counter;

/// Rows between two headers: a terminal of 24 lines always shows one.
const ROWS_PER_HEADER: usize = 20;

/// For whom the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A person: columns with headers, numbers of at most five digits.
    Terminal,
    /// A file or a program: `key=value` pairs, plain numbers, `-` for what is not defined. No key is the name of
    /// a [`Counter`], so that counters may follow on the same line.
    Plain,
}

/// Writes one line for each period, usually a second.
#[derive(Debug)]
pub struct Table {
    style: Style,
    rows: usize,
}

impl Table {
    /// An empty table.
    pub fn new(style: Style) -> Self {
        Self { style, rows: 0 }
    }

    /// The line for `change`, what has happened within `over`, as [`Snapshot::since`] gives it. Ends with a line
    /// feed, and begins with a header where one is due.
    pub fn row(&mut self, change: &Snapshot, over: Duration) -> String {
        let period = Period::of(change, over);
        let mut text = String::with_capacity(256);
        if self.style == Style::Terminal && self.rows.is_multiple_of(ROWS_PER_HEADER) {
            line(&mut text, |column| format!("{:>width$}", column.title, width = column.width));
        }
        self.rows = self.rows.wrapping_add(1);
        match self.style {
            Style::Terminal => line(&mut text, |column| {
                format!("{:>width$}", (column.value)(&period).compact(), width = column.width)
            }),
            Style::Plain => {
                line(&mut text, |column| format!("{}={}", column.key, (column.value)(&period).exact()));
            }
        }
        text
    }
}

fn line(text: &mut String, cell: impl Fn(&Column) -> String) {
    let cells: Vec<String> = COLUMNS.iter().map(cell).collect();
    writeln!(text, "{}", cells.join(" ")).expect("writing to a String cannot fail");
}

/// A change with what several columns need of it.
struct Period<'s> {
    change: &'s Snapshot,
    seconds: f64,
    median: Option<Duration>,
    slowest_hundredth: Option<Duration>,
}

impl<'s> Period<'s> {
    fn of(change: &'s Snapshot, over: Duration) -> Self {
        let quantiles = change.latency().quantiles([0.5, 0.99]);
        Self {
            change,
            seconds: over.as_secs_f64(),
            median: quantiles.map(|[median, _]| median),
            slowest_hundredth: quantiles.map(|[_, slow]| slow),
        }
    }

    fn per_second(&self, counter: Counter) -> f64 {
        if self.seconds == 0.0 { 0.0 } else { self.change.get(counter) as f64 / self.seconds }
    }

    fn rate(&self, counter: Counter) -> Value {
        Value::Rate(self.per_second(counter))
    }

    fn per_request(&self, counter: Counter) -> Value {
        let requests = self.change.get(Counter::RequestsAnswered);
        Value::Ratio((0 < requests).then(|| self.change.get(counter) as f64 / requests as f64))
    }
}

struct Column {
    title: &'static str,
    width: usize,
    key: &'static str,
    value: fn(&Period<'_>) -> Value,
}

const fn column(
    title: &'static str,
    width: usize,
    key: &'static str,
    value: fn(&Period<'_>) -> Value,
) -> Column {
    Column { title, width, key, value }
}

/// Together with the spaces between them narrower than a terminal of 80 columns.
static COLUMNS: [Column; 12] = [
    column("conn/s", 6, "connections_per_s", |p| p.rate(Counter::ConnectionsAccepted)),
    column("open", 5, "open", |p| Value::Level(p.change.get(Counter::ConnectionsOpen))),
    column("req/s", 5, "requests_per_s", |p| p.rate(Counter::RequestsAnswered)),
    column("2xx", 5, "responses_2xx_per_s", |p| p.rate(Counter::Responses2xx)),
    column("3xx", 5, "responses_3xx_per_s", |p| p.rate(Counter::Responses3xx)),
    column("4xx", 5, "responses_4xx_per_s", |p| p.rate(Counter::Responses4xx)),
    column("5xx", 5, "responses_5xx_per_s", |p| p.rate(Counter::Responses5xx)),
    column("MB/s out", 8, "megabytes_sent_per_s", |p| Value::Amount(p.per_second(Counter::BytesSent) / 1e6)),
    column("p50", 6, "p50_us", |p| Value::Time(p.median)),
    column("p99", 6, "p99_us", |p| Value::Time(p.slowest_hundredth)),
    column("ent/req", 7, "ring_enters_per_request", |p| p.per_request(Counter::RingEnters)),
    column("parks", 5, "parks_per_s", |p| p.rate(Counter::Parks)),
];

/// A number with what is needed to write it.
enum Value {
    Rate(f64),
    Level(u64),
    Amount(f64),
    Time(Option<Duration>),
    Ratio(Option<f64>),
}

impl Value {
    /// In at most six characters.
    fn compact(&self) -> String {
        match *self {
            Value::Rate(rate) => whole(rate),
            Value::Level(level) => whole(level as f64),
            Value::Amount(amount) => format!("{amount:.1}"),
            Value::Time(time) => time.map_or_else(undefined, short),
            Value::Ratio(ratio) => ratio.map_or_else(undefined, |ratio| format!("{ratio:.2}")),
        }
    }

    fn exact(&self) -> String {
        match *self {
            Value::Rate(rate) => format!("{rate:.0}"),
            Value::Level(level) => level.to_string(),
            Value::Amount(amount) => format!("{amount:.3}"),
            Value::Time(time) => time.map_or_else(undefined, |time| time.as_micros().to_string()),
            Value::Ratio(ratio) => ratio.map_or_else(undefined, |ratio| format!("{ratio:.3}")),
        }
    }
}

fn undefined() -> String {
    "-".to_owned()
}

/// A count in at most five characters: `99999`, then `100k` and `1.23M`.
fn whole(count: f64) -> String {
    match count {
        ..99_999.5 => format!("{count:.0}"),
        ..999_500.0 => format!("{:.0}k", count / 1e3),
        ..9_995_000.0 => format!("{:.2}M", count / 1e6),
        ..99_950_000.0 => format!("{:.1}M", count / 1e6),
        _ => format!("{:.0}M", count / 1e6),
    }
}

/// A time in at most six characters: `999us`, `9.99ms`, `99.9ms`, `999ms`, `64.0s`.
fn short(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ..0.999_5 => format!("{:.0}us", ms * 1e3),
        ..9.995 => format!("{ms:.2}ms"),
        ..99.95 => format!("{ms:.1}ms"),
        ..999.5 => format!("{ms:.0}ms"),
        _ => format!("{:.1}s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;

    const SECOND: Duration = Duration::from_secs(1);

    fn busy() -> Snapshot {
        let block = Block::create(0).unwrap();
        for (counter, value) in [
            (Counter::ConnectionsAccepted, 20),
            (Counter::ConnectionsOpen, 1_000),
            (Counter::RequestsAnswered, 250_000),
            (Counter::Responses2xx, 249_990),
            (Counter::Responses4xx, 10),
            (Counter::BytesSent, 81_250_000),
            (Counter::RingEnters, 5_000),
            (Counter::Parks, 4),
        ] {
            block.set(counter, value);
        }
        (0..98).for_each(|_| block.record_latency(250_000));
        (0..2).for_each(|_| block.record_latency(12_000_000));
        Snapshot::read([&block])
    }

    fn idle() -> Snapshot {
        Snapshot::read(&[])
    }

    #[test]
    fn terminal() {
        let row = Table::new(Style::Terminal).row(&busy(), SECOND);
        let expected = "\
conn/s  open req/s   2xx   3xx   4xx   5xx MB/s out    p50    p99 ent/req parks
    20  1000  250k  250k     0    10     0     81.2  251us 11.9ms    0.02     4
";
        assert_eq!(row, expected);
        assert!(row.lines().all(|line| line.len() < 80));
    }

    #[test]
    fn plain() {
        let check = |change: &Snapshot, over: Duration, expected: &str| {
            assert_eq!(Table::new(Style::Plain).row(change, over), expected);
        };
        check(
            &busy(),
            2 * SECOND,
            "connections_per_s=10 open=1000 requests_per_s=125000 responses_2xx_per_s=124995 \
             responses_3xx_per_s=0 responses_4xx_per_s=5 responses_5xx_per_s=0 megabytes_sent_per_s=40.625 \
             p50_us=250 p99_us=11862 ring_enters_per_request=0.020 parks_per_s=2\n",
        );
        check(
            &idle(),
            Duration::ZERO,
            "connections_per_s=0 open=0 requests_per_s=0 responses_2xx_per_s=0 \
             responses_3xx_per_s=0 responses_4xx_per_s=0 responses_5xx_per_s=0 megabytes_sent_per_s=0.000 \
             p50_us=- p99_us=- ring_enters_per_request=- parks_per_s=0\n",
        );
    }

    #[test]
    fn keys_are_no_names_of_counters() {
        for column in &COLUMNS {
            assert!(Counter::ALL.iter().all(|counter| counter.name() != column.key), "{}", column.key);
        }
    }

    #[test]
    fn header_comes_back() {
        let mut table = Table::new(Style::Terminal);
        let headers: Vec<usize> =
            (0..60).filter(|_| 1 < table.row(&idle(), SECOND).lines().count()).collect();
        assert_eq!(headers, [0, 20, 40]);
    }

    #[test]
    fn numbers_fit_their_columns() {
        for (count, text) in [
            (0.0, "0"),
            (99_999.0, "99999"),
            (100_000.0, "100k"),
            (999_900.0, "1.00M"),
            (9_999_000.0, "10.0M"),
            (99_999_000.0, "100M"),
        ] {
            assert_eq!(whole(count), text);
        }
        for (ns, text) in [
            (900, "1us"),
            (999_400, "999us"),
            (999_900, "1.00ms"),
            (9_999_000, "10.0ms"),
            (99_990_000, "100ms"),
            (999_900_000, "1.0s"),
            (64_000_000_000, "64.0s"),
        ] {
            assert_eq!(short(Duration::from_nanos(ns)), text);
        }
    }
}
