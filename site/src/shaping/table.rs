//! The places of a table of a fixed size. How many of them are looked at is what a table costs, so tests count it.

/// Places, by number: none, or all.
pub(super) struct Table<P>(Vec<P>);

impl<P: Clone + Default> Table<P> {
    pub(super) fn new() -> Table<P> {
        Table(Vec::new())
    }

    /// Gives it all its places.
    pub(super) fn furnish(&mut self, count: usize) {
        self.0 = vec![P::default(); count];
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<&P> {
        looks(1);
        self.0.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut P> {
        looks(1);
        self.0.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        looks(self.0.len());
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut P> {
        looks(self.0.len());
        self.0.iter_mut()
    }
}

impl<P: Clone + Default> std::ops::Index<usize> for Table<P> {
    type Output = P;

    fn index(&self, index: usize) -> &P {
        looks(1);
        &self.0[index]
    }
}

impl<P: Clone + Default> std::ops::IndexMut<usize> for Table<P> {
    fn index_mut(&mut self, index: usize) -> &mut P {
        looks(1);
        &mut self.0[index]
    }
}

#[cfg(not(test))]
fn looks(_: usize) {}

#[cfg(test)]
use counting::looks;

#[cfg(test)]
pub(super) mod counting {
    use std::cell::Cell;

    thread_local! {
        /// Looks on this thread.
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn looks(count: usize) {
        LOOKS.with(|looks| looks.set(looks.get() + count));
    }

    /// How many looks something takes.
    pub(in crate::shaping) fn taken(by: impl FnOnce()) -> usize {
        let before = LOOKS.with(Cell::get);
        by();
        LOOKS.with(Cell::get) - before
    }
}
