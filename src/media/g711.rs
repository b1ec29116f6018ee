//! ITU-T G.711: A-law and µ-law, one octet a sample.
//!
//! Decoding is a table; encoding is arithmetic without branches on the data, which the compiler turns into SIMD.

use crate::call::stream::Codec;

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// A-law.
    A,
    /// µ-law.
    Mu,
}

impl Law {
    /// The law in which sound of a call in this codec is kept: its own, or the A-law where it has none.
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Mu,
            Codec::Pcma | Codec::G722 | Codec::Opus => Self::A,
        }
    }
}

/// Linear samples of each A-law code (G.711 table 1), scaled to 16 bits.
static ALAW: [i16; 256] = table(Law::A);
/// Linear samples of each µ-law code (G.711 table 2), scaled to 16 bits.
static ULAW: [i16; 256] = table(Law::Mu);

/// The code that stands for silence: the smallest positive value.
pub const fn silence(law: Law) -> u8 {
    match law {
        Law::A => 0xD5,
        Law::Mu => 0xFF,
    }
}

/// Linear samples of `codes`; stops at the end of the shorter slice.
pub fn decode(law: Law, codes: &[u8], samples: &mut [i16]) {
    let table = match law {
        Law::A => &ALAW,
        Law::Mu => &ULAW,
    };
    for (sample, code) in samples.iter_mut().zip(codes) {
        *sample = table[usize::from(*code)];
    }
}

/// Codes of `samples`; stops at the end of the shorter slice.
pub fn encode(law: Law, samples: &[i16], codes: &mut [u8]) {
    let pairs = codes.iter_mut().zip(samples);
    match law {
        Law::A => pairs.for_each(|(code, sample)| *code = alaw(*sample)),
        Law::Mu => pairs.for_each(|(code, sample)| *code = ulaw(*sample)),
    }
}

/// Turns codes of one law into codes of the other, in place (G.711 tables 3 and 4 in effect).
pub fn recode(from: Law, to: Law, codes: &mut [u8]) {
    if from == to {
        return;
    }
    for code in codes {
        let mut sample = [0];
        decode(from, &[*code], &mut sample);
        encode(to, &sample, std::slice::from_mut(code));
    }
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::A => alaw_sample(code as u8),
            Law::Mu => ulaw_sample(code as u8),
        };
        code += 1;
    }
    table
}

const fn alaw_sample(code: u8) -> i16 {
    let code = code ^ 0x55; // Even bits are inverted on the line.
    let mantissa = ((code & 0x0F) as i16) << 4;
    let magnitude = match (code & 0x70) >> 4 {
        0 => mantissa + 0x008,
        segment => (mantissa + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn ulaw_sample(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((((code & 0x0F) as i16) << 3) + ULAW_BIAS) << ((code & 0x70) >> 4);
    if code & 0x80 == 0 { magnitude - ULAW_BIAS } else { ULAW_BIAS - magnitude }
}

/// What the µ-law adds before it looks for the segment, on the 16-bit scale.
const ULAW_BIAS: i16 = 0x84;
/// Largest 14-bit magnitude whose biased value has a segment.
const ULAW_CLIP: i32 = 8_158;

const fn alaw(sample: i16) -> u8 {
    let linear = (sample as i32) >> 3; // G.711 defines the A-law on 13 bits.
    let (magnitude, mask) = if linear >= 0 { (linear, 0xD5) } else { (-linear - 1, 0x55) };
    let segment = (magnitude | 0x1F).ilog2() - 4;
    let shift = if segment < 2 { 1 } else { segment };
    (((segment << 4) | ((magnitude as u32 >> shift) & 0x0F)) as u8) ^ mask
}

const fn ulaw(sample: i16) -> u8 {
    let linear = (sample as i32) >> 2; // G.711 defines the µ-law on 14 bits.
    let (magnitude, mask) = if linear >= 0 { (linear, 0xFF) } else { (-linear, 0x7F) };
    let biased = (if magnitude < ULAW_CLIP { magnitude } else { ULAW_CLIP } + 33) as u32;
    let segment = biased.ilog2() - 5;
    (((segment << 4) | ((biased >> (segment + 1)) & 0x0F)) as u8) ^ mask
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [Law; 2] = [Law::A, Law::Mu];

    fn sample_of(law: Law, code: u8) -> i16 {
        let mut sample = [0];
        decode(law, &[code], &mut sample);
        sample[0]
    }

    fn code_of(law: Law, sample: i16) -> u8 {
        let mut code = [0];
        encode(law, &[sample], &mut code);
        code[0]
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for law in LAWS {
            for code in 0..=255 {
                // µ-law has two zeros; the negative one comes back as the positive.
                let expected = if law == Law::Mu && code == 0x7F { 0xFF } else { code };
                assert_eq!(code_of(law, sample_of(law, code)), expected, "{law:?} {code:#x}");
            }
        }
    }

    /// The definition: a sample gets the value in whose interval it lies, so it is off by half an interval at most, plus
    /// what lies in the bits that the law does not see.
    #[test]
    fn every_sample_gets_the_value_of_its_interval() {
        for (law, unseen) in [(Law::A, 8), (Law::Mu, 4)] {
            let mut levels: Vec<i32> = (0..=255).map(|code| i32::from(sample_of(law, code))).collect();
            levels.sort_unstable();
            levels.dedup();
            let (lowest, highest) = (levels[0], levels[levels.len() - 1]);
            let mut before = lowest;
            for sample in i16::MIN..=i16::MAX {
                let coded = i32::from(sample_of(law, code_of(law, sample)));
                let at = levels.binary_search(&coded).expect("a level");
                let interval = levels[at.saturating_sub(1)..(at + 2).min(levels.len())]
                    .windows(2)
                    .map(|pair| pair[1] - pair[0])
                    .max()
                    .expect("neighbours");
                let exact = i32::from(sample).clamp(lowest, highest);
                assert!((coded - exact).abs() <= interval / 2 + unseen, "{law:?} {sample}: {coded}");
                assert!(coded >= before, "{law:?} {sample}: the order of samples is kept");
                before = coded;
            }
        }
    }

    /// Values printed in G.711: the ends of the segments of tables 1a and 2a, on the 16-bit scale.
    #[test]
    fn known_values() {
        let check = |law, code, sample| assert_eq!(sample_of(law, code), sample, "{law:?} {code:#x}");
        check(Law::A, 0xD5, 8);
        check(Law::A, 0x55, -8);
        check(Law::A, 0xAA, 32_256);
        check(Law::A, 0x2A, -32_256);
        check(Law::Mu, 0xFF, 0);
        check(Law::Mu, 0x80, 32_124);
        check(Law::Mu, 0x00, -32_124);
        check(Law::Mu, 0xFE, 8);
    }

    #[test]
    fn recoding_to_itself_changes_nothing_and_silence_stays_silence() {
        for (from, to) in [(Law::A, Law::A), (Law::A, Law::Mu), (Law::Mu, Law::A)] {
            let mut codes = [silence(from)];
            recode(from, to, &mut codes);
            assert!(sample_of(to, codes[0]).abs() <= 8, "{from:?} to {to:?}");
        }
    }
}
