//! How long packets take: a histogram of delays that slowly forgets, and the delay that all but a few of them keep.

/// Bins of the histogram; the last one takes all that is later.
pub const BINS: usize = 64;
/// Share of packets that may take longer than the delay asked for.
const LATE_SHARE: f32 = 0.004;
/// What a packet's weight becomes with each later packet: half after 10 s of 20 ms packets.
const FORGET: f32 = 0.998_6;
/// Weight of a packet at which all weights are made small again, long before a float runs out of digits.
const MOST: f32 = 10_000.0;

/// See the module's documentation. Rather than each bin becoming lighter with every packet, every packet is heavier than the
/// one before it: so a packet touches its own bin and no other.
#[derive(Clone, Debug)]
pub struct Delays {
    bins: [f32; BINS],
    /// The weight of the newest packet.
    newest: f32,
    /// The weight of all packets.
    total: f32,
    /// The first bin of those that hold the late share, and their weight.
    late_from: usize,
    late: f32,
}

impl Default for Delays {
    fn default() -> Self {
        Self { bins: [0.0; BINS], newest: 1.0, total: 0.0, late_from: 1, late: 0.0 }
    }
}

impl Delays {
    /// Takes note of a packet whose delay falls into `bin`; later ones than the last bin belong there.
    pub fn add(&mut self, bin: usize) {
        let bin = bin.min(BINS - 1);
        self.newest /= FORGET;
        if self.newest > MOST {
            self.lighten();
        }
        self.bins[bin] += self.newest;
        self.total += self.newest;
        if bin >= self.late_from {
            self.late += self.newest;
        }
        let most = LATE_SHARE * self.total;
        while self.late > most && self.late_from < BINS {
            self.late -= self.bins[self.late_from];
            self.late_from += 1;
        }
        while self.late_from > 1 && self.late + self.bins[self.late_from - 1] <= most {
            self.late_from -= 1;
            self.late += self.bins[self.late_from];
        }
    }

    /// How many bins hold all packets but the late share; at least one.
    pub fn needed(&self) -> usize {
        self.late_from
    }

    /// How many packets of the newest one's weight all packets together are.
    pub fn packets(&self) -> f32 {
        self.total / self.newest
    }

    fn lighten(&mut self) {
        let by = 1.0 / self.newest;
        self.bins = self.bins.map(|weight| weight * by);
        self.total *= by;
        self.newest = 1.0;
        self.late = self.bins[self.late_from..].iter().sum(); // And rounding starts anew.
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Bins needed, and the weight of all packets, reckoned as defined.
    fn defined(packets: &[usize]) -> (usize, f32) {
        let (mut bins, mut total) = ([0.0f64; BINS], 0.0);
        for bin in packets {
            bins.iter_mut().for_each(|weight| *weight *= f64::from(FORGET));
            bins[(*bin).min(BINS - 1)] += 1.0;
            total = total * f64::from(FORGET) + 1.0;
        }
        let (mut kept, mut late) = (BINS, 0.0);
        while kept > 1 && late + bins[kept - 1] <= f64::from(LATE_SHARE) * total {
            kept -= 1;
            late += bins[kept];
        }
        (kept, total as f32)
    }

    /// Seeded: whatever comes, and for how long, the answer is the one of the definition. A packet at the very edge may be
    /// counted either way, so a few differences of one packet's time are allowed.
    #[test]
    fn it_is_what_its_definition_says() {
        for seed in 0..4 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut delays, mut packets, mut differ) = (Delays::default(), Vec::new(), 0);
            for n in 0..9_000 {
                // Calm, then a worse way, then a calm one again; now and then something very late.
                let spread = if (2_000..4_000).contains(&n) { 20 } else { 3 };
                let bin = if rng.random_ratio(1, 150) { rng.random_range(0..90) } else { rng.random_range(0..spread) };
                packets.push(bin);
                delays.add(bin);
                if n % 97 == 0 {
                    let (needed, weight) = defined(&packets);
                    differ += usize::from(delays.needed() != needed);
                    assert!((delays.packets() / weight - 1.0).abs() < 1e-3, "seed {seed}, packet {n}");
                }
            }
            assert!(differ <= 1, "seed {seed}: {differ} times");
        }
    }

    #[test]
    fn a_late_packet_now_and_then_is_not_waited_for_and_many_are() {
        let check = |one_in: usize, needed: usize| {
            let mut delays = Delays::default();
            (0..5_000).for_each(|n| delays.add(if n % one_in == one_in - 1 { 20 } else { 2 }));
            assert_eq!(delays.needed(), needed, "one in {one_in}");
        };
        check(1_000, 3);
        check(100, 21);
    }
}
