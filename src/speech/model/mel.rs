//! The mel filter bank that a ggml Whisper file carries: 80 triangles over the 201 bins of a 400-point transform at
//! 16 kHz, by Slaney's formula (linear below 1 kHz, logarithmic above, each triangle of unit area).

/// Filters.
pub const BANDS: usize = 80;

/// Bins of the real transform of [`WINDOW`] samples.
pub const BINS: usize = WINDOW / 2 + 1;

/// Samples in one transform.
const WINDOW: usize = 400;

const RATE_HZ: f64 = 16_000.0;

/// Slaney's scale: so many hertz a mel, up to [`BREAK_HZ`].
const HZ_PER_MEL: f64 = 200.0 / 3.0;

const BREAK_HZ: f64 = 1_000.0;

/// Above the break, 27 mels multiply the frequency by 6.4.
const LOG_BASE: f64 = 6.4;
const LOG_MELS: f64 = 27.0;

/// The weights, band after band. Rounded to single precision twice, as the reference implementation does, so that the
/// same bytes come out.
pub fn filters() -> Vec<f32> {
    let edges = edges();
    let bin_hz = RATE_HZ / WINDOW as f64;
    let mut weights = Vec::with_capacity(BANDS * BINS);
    for band in edges.windows(3) {
        let &[low, mid, high] = band else { unreachable!("windows of three") };
        let area = 2.0 / (high - low);
        weights.extend((0..BINS).map(|bin| {
            let hz = bin as f64 * bin_hz;
            let rising = (hz - low) / (mid - low);
            let falling = (high - hz) / (high - mid);
            let height = rising.min(falling).max(0.0) as f32;
            (f64::from(height) * area) as f32
        }));
    }
    weights
}

/// Corner frequencies in hertz: [`BANDS`] centres and the two ends, evenly spaced in mels.
fn edges() -> [f64; BANDS + 2] {
    let break_mel = BREAK_HZ / HZ_PER_MEL;
    let log_step = LOG_BASE.ln() / LOG_MELS;
    let top_mel = break_mel + (RATE_HZ / 2.0 / BREAK_HZ).ln() / log_step;
    let step = top_mel / (BANDS + 1) as f64;
    std::array::from_fn(|i| {
        let mel = if i == BANDS + 1 { top_mel } else { i as f64 * step };
        if mel >= break_mel { BREAK_HZ * (log_step * (mel - break_mel)).exp() } else { HZ_PER_MEL * mel }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_known_weights() {
        let filters = filters();
        assert_eq!(filters.len(), BANDS * BINS);
        // From librosa.filters.mel(sr=16000, n_fft=400, n_mels=80): the first band and the last.
        assert_eq!(filters[0], 0.0);
        assert!((filters[1] - 0.024_862_59).abs() < 1e-7, "{}", filters[1]);
        assert!(filters[2] < 0.002);
        assert_eq!(filters[BANDS * BINS - 1], 0.0);
        for band in filters.chunks(BINS) {
            let area: f32 = band.iter().sum::<f32>() * 40.0;
            assert!((0.6..1.5).contains(&area), "a triangle of unit area: {area}");
        }
    }
}
