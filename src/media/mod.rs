//! The real-time audio engine: RTP, jitter buffer, digits, voice activity, playback, recording.
