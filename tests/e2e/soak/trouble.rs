//! Faults of endpoints that come and go.

use std::collections::BTreeMap;

use ballast_test_support::{FaultHandle, Mempool, ProxyHandle};

use crate::{
    chance::Chance,
    faults::rows::{self, Row},
};

/// A fault begins at one block of so many.
const BEGINS: u64 = 5;
/// Most blocks for which one is in force, and most of them at once.
const LASTS: u64 = 8;
const AT_ONCE: usize = 3;

/// A fault in force.
struct Active {
    name: String,
    handles: Vec<FaultHandle>,
    until: u64,
}

/// The faults in force and those that were.
pub(super) struct Trouble {
    chance: Chance,
    rows: Vec<Row>,
    active: Vec<Active>,
    fired: BTreeMap<String, u64>,
}

impl Trouble {
    pub(super) fn new(chance: Chance) -> Self {
        // One that begins with the process is none that comes and goes: whoever has such an endpoint
        // is not asked again for a minute, which is most of a slice.
        let rows = rows::all().into_iter().filter(|row| !row.from_the_start).collect();
        Self { chance, rows, active: Vec::new(), fired: BTreeMap::new() }
    }

    /// Ends what is over, and perhaps begins something, at one endpoint or at all.
    pub(super) fn step(&mut self, block: u64, head: u64, proxies: &[ProxyHandle]) {
        self.end_until(block);
        let (begins, which) = (self.chance.below(BEGINS) == 0, self.chance.below(3));
        let row = self.chance.below(self.rows.len() as u64);
        let until = block + self.chance.between(1, LASTS);
        let row = usize::try_from(row).ok().and_then(|row| self.rows.get(row));
        let Some(row) = row.filter(|_| begins && self.active.len() < AT_ONCE) else { return };
        // The last of three choices is all of them.
        let befallen = usize::try_from(which).ok().and_then(|which| proxies.get(which));
        let befallen = befallen.map_or(proxies, std::slice::from_ref);
        // Endpoints that keep transactions back are one network.
        let pool = Mempool::new();
        let handles = befallen.iter().flat_map(|proxy| row.inject(proxy, head, &pool)).collect();
        self.active.push(Active { name: row.name.clone(), handles, until });
    }

    /// Ends all of them.
    pub(super) fn end(&mut self) {
        self.end_until(u64::MAX);
    }

    fn end_until(&mut self, block: u64) {
        let (over, active) =
            std::mem::take(&mut self.active).into_iter().partition(|fault| fault.until <= block);
        self.active = active;
        let over: Vec<Active> = over;
        for Active { name, handles, .. } in over {
            handles.iter().for_each(FaultHandle::remove);
            let fired: u64 = handles.iter().map(FaultHandle::fired).sum();
            *self.fired.entry(name).or_default() += fired;
        }
    }

    /// How often each has befallen something.
    pub(super) fn fired(&self) -> BTreeMap<String, u64> {
        self.fired.clone()
    }
}
