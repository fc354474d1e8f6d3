//! A kill between any two steps, for tests: when the fuse of a thread has burnt down, nothing that it does has an effect.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sets how many steps are left; `None` for as many as it takes.
pub(super) fn set(steps: Option<u64>) {
    LEFT.set(steps);
}

/// Takes one step; `false` when none is left.
pub(crate) fn burns() -> bool {
    match LEFT.get() {
        None => true,
        Some(0) => false,
        Some(left) => {
            LEFT.set(Some(left - 1));
            true
        }
    }
}

/// As much of `bytes` as is handled with a step for each `size` of them.
pub(super) fn burns_along(bytes: &[u8], size: usize) -> &[u8] {
    let steps = bytes.chunks(size).take_while(|_| burns()).count();
    &bytes[..bytes.len().min(steps * size)]
}

/// Whether none is left.
pub(crate) fn is_out() -> bool {
    LEFT.get() == Some(0)
}
