//! The process with the rights. It has one thread and one loop, opens what a configuration needs, starts the others
//! and replaces them, and decides who may command what. It parses no text: that is for check, which has no rights.
//!
//! - [`serve`]: the start, and the end;
//! - `run`: the loop, and what each event leads to;
//! - `change`, `reload`: a change of what is served, step by step; `plan`: what changes; `examination`: the check of a
//!   text;
//! - `upgrade`, `rehearsal`: another program in our place; `rehearse`, `resume`: the same as that program sees it;
//! - `ending`: the end;
//! - `worker`, `post`, `posts`: the children; `backoff`: when they are started again;
//! - `estate`: sockets and log files; `passed`: sockets from the service manager; `ledger`: what became of every connection and request;
//! - `looks`: connections at listeners that workers share, of which nobody was told;
//! - `bans`: who is banned, and who hears of it;
//! - `limits`: limits that were changed by command;
//! - `files`: what only we can open; `watch`: whether it has changed since; `tickets`: keys of TLS sessions;
//! - `logins`: the questions of workers to auth, and its answers; `pam`: those that auth-pam is asked first;
//! - `readiness`: what the service manager is told;
//! - `agent`, `doors`: commands from elsewhere; `origin`: where a command comes from;
//! - `control`, `command`, `reply`: commands; `permit`: who may give which.

mod agent;
mod archive;
mod backoff;
mod bans;
mod boot;
mod change;
mod command;
mod control;
mod doors;
mod ending;
mod estate;
mod examination;
mod files;
mod house;
mod identity;
mod ledger;
mod limits;
mod lines;
mod logins;
mod looks;
mod names;
mod origin;
mod pam;
mod passed;
mod permit;
mod plan;
mod post;
mod posts;
mod press;
mod pressed;
mod pressure;
mod readiness;
mod refusal;
mod rehearsal;
mod rehearse;
mod reload;
mod reply;
mod resume;
mod room;
mod rotation;
mod run;
mod shards;
mod tail;
mod tickets;
mod turning;
mod upgrade;
mod upstreams;
mod watch;
mod worker;

pub use boot::{examine, serve, understand};
pub use examination::Deployment;
pub use files::Files;
pub use house::House;
pub use refusal::Refusal;
pub use rehearse::rehearse;
pub use resume::{Inheritance, resume};
pub use upgrade::give_back;
