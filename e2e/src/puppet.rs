//! A thread of the server that does what a test wants, as if somebody had taken it over: system calls with any
//! arguments, made by the thread itself, with the rights that it has.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::failure::{Failure, Outcome};

/// The instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Bytes below the stack that nobody uses: what is written there lies beyond the red zone of the ABI.
const SCRATCH: u64 = 4096;

/// A stopped thread. It goes on when it is dropped, as if nothing had happened.
#[derive(Debug)]
pub struct Puppet {
    thread: Pid,
    before: libc::user_regs_struct,
    memory: File,
    alive: bool,
}

/// What a system call gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A result.
    Done(u64),
    /// An error.
    Failed(Errno),
    /// The process was ended for it.
    Ended(Signal),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done(result) => write!(f, "result {result}"),
            Answer::Failed(errno) => write!(f, "{errno}"),
            Answer::Ended(signal) => write!(f, "end by {signal}"),
        }
    }
}

impl Puppet {
    /// Takes over a thread as soon as it waits in a system call. Takes root.
    pub fn take(thread: u32) -> Outcome<Puppet> {
        crate::until("a thread that waits", || waits(thread));
        let failed = |errno: Errno| Failure::machine("trace", format!("thread {thread}"))(errno.into());
        let thread = Pid::from_raw(thread as i32);
        ptrace::attach(thread).map_err(failed)?;
        waitpid(thread, Some(WaitPidFlag::__WALL)).map_err(failed)?;
        let before = ptrace::getregs(thread).map_err(failed)?;
        let path = format!("/proc/{thread}/mem");
        let memory = OpenOptions::new().read(true).write(true).open(&path);
        let memory = memory.map_err(Failure::machine("open", &path))?;
        let puppet = Puppet { thread, before, memory, alive: true };
        let instruction: [u8; 2] = puppet.read(before.rip - 2)?;
        if instruction == SYSCALL {
            Ok(puppet)
        } else {
            Err(Failure::mismatch("where the thread is", "in a system call", format!("{instruction:x?}")))
        }
    }

    /// Has the thread make a system call.
    pub fn call(&mut self, number: i64, arguments: &[u64]) -> Outcome<Answer> {
        let failed = |errno: Errno| {
            Failure::machine("step", format!("call {number} with {arguments:?}"))(errno.into())
        };
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(0);
        let registers = libc::user_regs_struct {
            rip: self.before.rip - 2,
            rax: number as u64,
            // Not within a system call: the kernel is not to begin one again.
            orig_rax: u64::MAX,
            rdi: argument(0),
            rsi: argument(1),
            rdx: argument(2),
            r10: argument(3),
            r8: argument(4),
            r9: argument(5),
            ..self.before
        };
        ptrace::setregs(self.thread, registers).map_err(failed)?;
        ptrace::step(self.thread, None).map_err(failed)?;
        match waitpid(self.thread, Some(WaitPidFlag::__WALL)).map_err(failed)? {
            WaitStatus::Signaled(_, signal, _) => {
                self.alive = false;
                Ok(Answer::Ended(signal))
            }
            WaitStatus::Stopped(..) => {
                let result = ptrace::getregs(self.thread).map_err(failed)?.rax as i64;
                // As far down as errors go.
                Ok(if (-4095..0).contains(&result) {
                    Answer::Failed(Errno::from_raw(-result as i32))
                } else {
                    Answer::Done(result as u64)
                })
            }
            other => Err(Failure::mismatch("a step", "a stop", format!("{other:?}"))),
        }
    }

    /// Bytes in the memory of the process.
    pub fn read<const N: usize>(&self, address: u64) -> Outcome<[u8; N]> {
        let mut bytes = [0; N];
        self.memory.read_exact_at(&mut bytes, address).map_err(Failure::machine("read", "its memory"))?;
        Ok(bytes)
    }

    /// A number in the memory of the process.
    pub fn read_u32(&self, address: u64) -> Outcome<u32> {
        self.read(address).map(u32::from_ne_bytes)
    }

    /// Writes into the memory of the process.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Outcome<()> {
        self.memory.write_all_at(bytes, address).map_err(Failure::machine("write", "its memory"))
    }

    /// Puts bytes where the thread has nothing; answers the address. What was put there before is gone.
    pub fn put(&self, bytes: &[u8]) -> Outcome<u64> {
        let address = (self.before.rsp - SCRATCH) & !63;
        self.write(address, bytes)?;
        Ok(address)
    }

    /// Puts a path there.
    pub fn put_path(&self, path: &str) -> Outcome<u64> {
        self.put(format!("{path}\0").as_bytes())
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if self.alive {
            // Both fail only when the process has been ended by somebody else.
            ptrace::setregs(self.thread, self.before).ok();
            ptrace::detach(self.thread, None).ok();
        }
    }
}

/// Whether a thread sleeps, as the field behind its name says.
fn waits(thread: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('S'))
}
