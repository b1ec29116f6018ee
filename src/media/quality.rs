//! How a call sounded, in figures.

use std::time::Duration;

/// Figures of one call's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallQuality {
    /// Packets of the peer, duplicates left out.
    pub packets_received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets from anybody else, ignored.
    pub foreign: u64,
    /// Datagrams that were no RTP, or of no negotiated payload type.
    pub invalid: u64,
    /// Packets that SRTP refused: not the peer's, changed on the way, or seen before.
    pub unauthentic: u64,
    /// Audio made up for what was lost or late, in milliseconds.
    pub concealed_ms: u64,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1), in milliseconds. Arrival is read once a millisecond.
    pub jitter_ms: f32,
    /// The jitter buffer's wait at the end, in milliseconds.
    pub buffer_ms: f32,
    /// Packets that we sent.
    pub packets_sent: u64,
    /// Packets that the system would not send.
    pub send_errors: u64,
    /// Share of our packets that the peer says it lost, at its last report.
    pub remote_loss: Option<f32>,
    /// Round trip by RTCP (RFC 3550 §6.4.1), at the last report.
    pub round_trip: Option<Duration>,
    /// Estimated mean opinion score of what we heard (ITU-T G.107).
    pub mos: f32,
    /// Largest lateness of a packet of ours.
    pub pacing_error_max: Duration,
    /// From the connection of the stream to the first packet of the first prompt.
    pub first_audio_sent: Option<Duration>,
    /// From the opening to the peer's first packet.
    pub first_packet: Option<Duration>,
    /// Recorded or listened audio that was dropped because its consumer lagged, in frames.
    pub tap_dropped: u64,
    /// Frames of a bridge that a lagging engine thread cost: not heard by a party, or not there in time for this one.
    pub bridge_lost: u64,
}

/// Packet-loss robustness factor Bpl of G.711 with the concealment of its Appendix I (ITU-T G.113 (2007) table I.4; without
/// any it is 4.3). Its equipment impairment without loss, Ie, is 0.
const LOSS_ROBUSTNESS: f32 = 25.1;
/// The rating R where every parameter has its default and nothing is lost or late (ITU-T G.107 (2015) §7.7).
const BEST_RATING: f32 = 93.2;

/// The mean opinion score by the E-model (ITU-T G.107, 06/2015) for G.711 with concealment.
///
/// `concealed` is the share of audio made up (0 to 1), `burst_ratio` by how much losses are longer than independent ones
/// would be, `delay` one way. Everything else has the model's defaults, so the score is about the line alone:
/// R = 93.2 - Id - Ie,eff, with Ie,eff = 95 Ppl / (Ppl / BurstR + Bpl) for Ie = 0 (equation 7-29) and for Id the straight
/// lines that R. G. Cole and J. H. Rosenbluth fitted to the model without echo (ACM CCR 31(2), 2001). MOS by annex B.
pub fn mos(concealed: f32, burst_ratio: f32, delay: Duration) -> f32 {
    let loss_percent = 100.0 * concealed.clamp(0.0, 1.0);
    let equipment = 95.0 * loss_percent / (loss_percent / burst_ratio.max(1.0) + LOSS_ROBUSTNESS);
    let delay_ms = delay.as_secs_f32() * 1_000.0;
    let delayed = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let rating = (BEST_RATING - equipment - delayed).clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fall_with_loss_bursts_and_delay() {
        let check = |concealed, burst_ratio, delay_ms, expected: f32| {
            let score = mos(concealed, burst_ratio, Duration::from_millis(delay_ms));
            assert!((score - expected).abs() < 0.02, "{concealed} {burst_ratio} {delay_ms}: {score}");
        };
        check(0.0, 1.0, 0, 4.41);
        check(0.03, 1.0, 0, 4.14);
        check(0.05, 1.0, 0, 3.93);
        check(0.05, 2.0, 0, 3.86);
        check(0.0, 1.0, 400, 3.05);
        check(1.0, 1.0, 400, 1.0);
    }

    #[test]
    fn a_score_is_never_below_one() {
        for concealed in 0..=100 {
            let score = mos(concealed as f32 / 100.0, 4.0, Duration::from_millis(900));
            assert!((1.0..=4.5).contains(&score), "{concealed} %: {score}");
        }
    }
}
