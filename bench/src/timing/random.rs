//! Lots, drawn by splitmix64: the order of a pair, its exchanges, names. Nothing here is a secret.

/// A sequence of lots.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut lot = self.0;
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        lot ^ (lot >> 31)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.draw() >> 63 == 1
    }

    /// A name that nobody has had before.
    pub(super) fn name(&mut self) -> String {
        format!("n{:016x}", self.draw())
    }

    #[cfg(test)]
    pub(super) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (self.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}
