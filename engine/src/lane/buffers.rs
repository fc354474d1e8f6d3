//! The ring of receive buffers that a shard lends to the kernel.
//!
//! The kernel picks a buffer only when bytes have arrived, so a connection that is silent costs none. A
//! buffer is handed back in the pass that received it: what a request still needs has been copied out by
//! then, so a slow client can never hold one.

#![allow(unsafe_code)] // The one place where this crate speaks to the kernel; each block says why it is sound.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The group number under which the buffers are registered; a lane has one group.
pub(super) const GROUP: u16 = 1;

/// Buffers lent to the kernel. A power of two, as `io_uring_register(2)` demands.
///
/// One pass returns all that it took, so this bounds receives per pass, not connections. 256 of 4 KiB are
/// 1 MiB a shard: small beside what 10,000 connections cost, and a pass seldom reaps more.
const COUNT: u16 = 256;

/// Size of one buffer in bytes: a page holds nearly every request head.
pub(crate) const SIZE: usize = 4096;

const PAGE: usize = 4096;

/// A registered ring of receive buffers.
pub(super) struct Buffers {
    /// Descriptors shared with the kernel; `COUNT` entries, page-aligned.
    entries: NonNull<BufRingEntry>,
    /// The bytes themselves: `COUNT` times `SIZE`.
    bytes: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// Allocates the buffers and registers them with `ring`.
    ///
    /// The memory is never freed: the kernel may write to it until the ring is gone, and a lane lives as
    /// long as its process.
    pub(super) fn register(ring: &IoUring) -> std::io::Result<Buffers> {
        let entries = allocate(usize::from(COUNT) * size_of::<BufRingEntry>()).cast();
        let bytes = allocate(usize::from(COUNT) * SIZE);
        // SAFETY: `entries` is page-aligned, holds COUNT descriptors and is never freed.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, COUNT, GROUP, 0)? };
        let mut buffers = Buffers { entries, bytes, tail: 0 };
        for id in 0..COUNT {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    /// The first `len` bytes of buffer `id`, which the kernel has filled and handed to us.
    pub(super) fn filled(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < COUNT && len <= SIZE, "the kernel names a buffer that was never lent");
        // SAFETY: in bounds by the line above; the kernel does not touch a buffer between its completion
        // and `give_back`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().add(usize::from(id) * SIZE), len) }
    }

    /// Lends buffer `id` to the kernel again.
    pub(super) fn give_back(&mut self, id: u16) {
        assert!(id < COUNT, "only lent buffers come back");
        let slot = usize::from(self.tail & (COUNT - 1));
        // SAFETY: slot < COUNT; this side alone writes descriptors, and the kernel reads one only after the
        // tail below has passed it. `addr`, `len` and `bid` leave the tail's bytes of entry 0 alone.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(slot);
            entry.set_addr(self.bytes.as_ptr().add(usize::from(id) * SIZE) as u64);
            entry.set_len(SIZE as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `entries` is the base of the registered ring, whose first descriptor carries the tail; it
        // is aligned for u16, and kernel and process share it only through atomic accesses.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

/// `len` zeroed bytes on a page boundary, for as long as the process lives.
fn allocate(len: usize) -> NonNull<u8> {
    let Ok(layout) = Layout::from_size_align(len, PAGE) else { unreachable!("sizes are constants") };
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}
