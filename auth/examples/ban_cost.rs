//! Looks up who is banned over and over, to count instructions and memory:
//!
//! ```text
//! ban_cost write prefixes|users|prefixes-of-a-user COUNT FILE
//! ban_cost memory FILE
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*look_up*' ban_cost look TIMES FILE
//! ```
//!
//! The first writes a table of so many bans, as the shards get it. The second prints how many bytes it takes in memory.
//! The third has nothing but the look-ups counted, and prints how many were refused. `tests/ban_cost.rs` does all of it.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use auth::Prefix;
use auth::bans::{BanTable, Bans, Policy, Subject};

/// The first of the banned addresses.
const FIRST: u32 = 0x0b00_0000;
/// A prime number: each look-up is for another address, and half of them find a ban where there are many.
const STEP: u32 = 7919;
/// Addresses that are looked up begin at [`FIRST`] and are this many.
const SPAN: u32 = 200_000;
/// Who is looked up: the first of many users, or the one who is banned from many prefixes.
const USER: &str = "user 0";
/// What statm counts in, in bytes.
const PAGE: u64 = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["write", kind, count, file] => write(kind, count, file),
        ["memory", file] => memory(file),
        ["look", times, file] => look(times, file),
        _ => Err("usage: ban_cost write KIND COUNT FILE | memory FILE | look TIMES FILE".into()),
    };
    if let Err(error) = done {
        eprintln!("ban_cost: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn write(kind: &str, count: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let mut bans = Bans::new(Policy::default());
    for number in 0..count.parse()? {
        let prefix = Prefix::single(address(number));
        let subject = match kind {
            "prefixes" => Subject { prefix, user: None },
            "users" => Subject { prefix, user: Some(format!("user {number}").into()) },
            "prefixes-of-a-user" => Subject { prefix, user: Some(USER.into()) },
            _ => return Err("the kind is prefixes, users or prefixes-of-a-user".into()),
        };
        bans.ban(0, subject, None, String::new())?;
    }
    fs::write(file, bans.pack(0).ok_or("nobody is banned")?)?;
    Ok(())
}

fn memory(file: &str) -> Result<(), Box<dyn Error>> {
    let before = resident()?;
    let table = table(file)?;
    println!("{}", resident()?.saturating_sub(before));
    black_box(table);
    Ok(())
}

fn resident() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("statm has no second number")?.parse()?;
    Ok(pages * PAGE)
}

fn look(times: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let (times, table) = (times.parse()?, table(file)?);
    println!("{}", look_up(&table, times));
    Ok(())
}

fn table(file: &str) -> Result<BanTable, Box<dyn Error>> {
    Ok(BanTable::unpack(&fs::read(file)?).ok_or("this is no table of bans")?)
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(FIRST + number).into()
}

/// How many of so many logins are refused. A function within it would have its name, and end the counting.
#[inline(never)]
fn look_up(table: &BanTable, times: u32) -> u32 {
    let mut refused = 0;
    for number in 0..times {
        let address = address(number.wrapping_mul(STEP) % SPAN);
        refused += u32::from(table.has_user(black_box(address), black_box(USER)));
    }
    refused
}
