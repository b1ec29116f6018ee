//! What a telephone does to a recording: 8 kHz, and A-law there and back (ITU-T G.711).

use crate::speech::resample::resample;
use crate::units::NARROWBAND_HZ;

/// A recording as it would arrive over a call.
pub fn through_g711(pcm: &[f32], rate_hz: u32) -> Vec<i16> {
    narrowband(pcm, rate_hz).into_iter().map(|s| decode(encode(s))).collect()
}

/// A recording at 8 kHz, without the codec.
pub fn narrowband(pcm: &[f32], rate_hz: u32) -> Vec<i16> {
    let narrow = resample(pcm, rate_hz, NARROWBAND_HZ);
    narrow.into_iter().map(|s| (s * 32_768.0).round() as i16).collect()
}

/// The toggling of even bits that every A-law octet on the wire has (G.711 §3).
const TOGGLE: u8 = 0x55;

fn encode(sample: i16) -> u8 {
    // A-law has 13 bits: sign and twelve of magnitude.
    let (sign, magnitude) = if sample >= 0 { (0x80, sample >> 3) } else { (0, !sample >> 3) };
    let octet = match magnitude.checked_ilog2() {
        Some(top @ 5..) => {
            let segment = top - 4;
            (segment as u8) << 4 | (magnitude >> segment & 0x0f) as u8
        }
        Some(_) | None => (magnitude >> 1) as u8,
    };
    (octet | sign) ^ TOGGLE
}

fn decode(octet: u8) -> i16 {
    let octet = octet ^ TOGGLE;
    let (segment, step) = (octet >> 4 & 7, i16::from(octet & 0x0f));
    let magnitude = match segment {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives() {
        for octet in 0..=u8::MAX {
            assert_eq!(encode(decode(octet)), octet, "{octet:#04x}");
        }
    }

    #[test]
    fn known_values() {
        // G.711 table 1a: the ends and the smallest steps.
        assert_eq!((decode(0xd5), decode(0x55)), (8, -8));
        assert_eq!((decode(0xaa), decode(0x2a)), (32_256, -32_256));
        assert_eq!((encode(0), encode(i16::MAX), encode(i16::MIN)), (0xd5, 0xaa, 0x2a));
    }

    #[test]
    fn error_stays_in_proportion() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(error <= 8 + i32::from(sample).abs() / 30, "{sample}: off by {error}");
        }
    }
}
