//! Where every draw comes from: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).

use std::cell::Cell;

/// A stream of numbers that follows from its seed.
#[derive(Debug)]
pub struct Random(Cell<u64>);

/// The finaliser of SplitMix64: any change of a bit changes half of the others.
pub fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Random(Cell::new(seed))
    }

    /// A stream of its own, so that what is drawn for one thing does not depend on how much was for another.
    pub fn fork(&self) -> Self {
        Random::new(mix(self.draw()))
    }

    /// The next number.
    pub fn draw(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        mix(self.0.get())
    }

    /// At least 0 and less than `n`, which is not 0.
    pub fn below(&self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// From the first to the last of these, both among them.
    pub fn between(&self, (first, last): (u64, u64)) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// At least 0 and less than 1.
    pub fn unit(&self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
