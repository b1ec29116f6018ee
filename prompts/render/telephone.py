"""From 24 kHz speech to what a telephone carries: band, level, edges, WAV."""

import wave
from pathlib import Path

import numpy as np
from scipy import ndimage, signal

RATE_HZ = 8_000
LEVEL_DBOV = -20.0
PEAK_DBFS = -3.0
# Weakest and strongest active level of a piece that was spoken within something longer.
PIECE_DBOV = (-23.0, -17.0)
FADE_S = 0.010
# 24 kHz to 8 kHz; flat to 3.4 kHz, at least 80 dB down from 4 kHz on, so that nothing folds back.
_DOWN = 3
_LOW_PASS = signal.firwin(501, 3_700, window=("kaiser", 8.6), fs=RATE_HZ * _DOWN)
# Removes rumble below a telephone's band; speech has nothing there.
_HIGH_PASS = signal.butter(4, 100, "highpass", fs=RATE_HZ, output="sos")


def narrow(speech: np.ndarray) -> np.ndarray:
    """8 kHz telephone-band signal of 24 kHz speech."""
    low = signal.resample_poly(speech, 1, _DOWN, window=_LOW_PASS)
    return signal.sosfiltfilt(_HIGH_PASS, low, padlen=min(len(low) - 1, 800))


def active_level(samples: np.ndarray) -> tuple[float, float]:
    """Active speech level in dBov and activity factor, by ITU-T P.56 (12/2011) method B.

    0 dBov is a constant at full scale (P.56 annex A). Samples are in -1 … 1. The envelope is the rectified signal,
    smoothed twice with 30 ms; each threshold counts as crossed for 200 ms more; the level is where the measured
    level lies 15.9 dB above its threshold.
    """
    smoothing = np.exp(-1 / (RATE_HZ * 0.03))
    hang = int(0.2 * RATE_HZ)
    margin_db = 15.9
    once = signal.lfilter([1 - smoothing], [1, -smoothing], np.abs(samples))
    envelope = signal.lfilter([1 - smoothing], [1, -smoothing], once)
    energy = float(np.sum(samples**2))
    if energy == 0:
        return -np.inf, 0.0
    last = None
    for bits in range(15, 0, -1):
        threshold = 2.0**-bits
        above = envelope >= threshold
        # A crossing holds for `hang` samples after the last one.
        index = np.where(above, np.arange(len(above)), -hang - 1)
        active = int(np.count_nonzero(np.arange(len(above)) - np.maximum.accumulate(index) <= hang))
        if active == 0:
            break
        level = 10 * np.log10(energy / active)
        excess = level - 20 * np.log10(threshold)
        if excess <= margin_db:
            if last is None:
                return level, active / len(samples)
            # Between the two thresholds level and excess run nearly straight.
            share = (last[1] - margin_db) / (last[1] - excess)
            at = last[0] + share * (level - last[0])
            return at, energy / len(samples) / 10 ** (at / 10)
        last = (level, excess)
    return (last or (10 * np.log10(energy / len(samples)), 0))[0], 1.0


def levelled(samples: np.ndarray) -> np.ndarray:
    """`samples` at the target active level, peaks held under the limit."""
    level, _ = active_level(samples)
    return limited(samples * 10 ** ((LEVEL_DBOV - level) / 20))


def held(samples: np.ndarray) -> np.ndarray:
    """A piece at the level it has in its carrier, unless that is too weak or too strong to stand elsewhere."""
    level, _ = active_level(samples)
    return limited(samples * 10 ** ((float(np.clip(level, *PIECE_DBOV)) - level) / 20))


def limited(samples: np.ndarray) -> np.ndarray:
    """Peaks above the limit turned down smoothly over 5 ms to either side."""
    limit = 10 ** (PEAK_DBFS / 20) * 0.995
    need = np.minimum(1, limit / np.maximum(np.abs(samples), 1e-9))
    reach = int(0.005 * RATE_HZ)
    gain = ndimage.minimum_filter1d(need, 2 * reach + 1)
    window = np.hanning(2 * reach + 3)[1:-1]
    return samples * np.convolve(np.pad(gain, reach, mode="edge"), window / window.sum(), mode="valid")


def trimmed(samples: np.ndarray, lead_s: float, tail_s: float, attack_s: float = FADE_S) -> np.ndarray:
    """Silence at both ends cut to `lead_s` and `tail_s`, ends faded; the beginning over `attack_s`."""
    first, last = speech_span(samples)
    lead, tail = int(lead_s * RATE_HZ), int(tail_s * RATE_HZ)
    body = samples[max(0, first - lead) : last + tail]
    before = np.zeros(max(0, lead - first))
    after = np.zeros(max(0, tail - (len(samples) - last)))
    return np.concatenate([before, faded(body, attack_s), after])


def faded(samples: np.ndarray, attack_s: float = FADE_S) -> np.ndarray:
    out = samples.copy()
    rise = _ramp(min(int(attack_s * RATE_HZ), len(out) // 2))
    fall = _ramp(min(int(FADE_S * RATE_HZ), len(out) // 2))[::-1]
    out[: len(rise)] *= rise
    out[len(out) - len(fall) :] *= fall
    return out


def _ramp(size: int) -> np.ndarray:
    return np.sin(np.linspace(0, np.pi / 2, size)) ** 2


def speech_span(samples: np.ndarray) -> tuple[int, int]:
    """First and last sample of what is louder than 46 dB below the loudest 10 ms."""
    frame = RATE_HZ // 100
    power = np.convolve(samples**2, np.ones(frame) / frame, mode="same")
    loud = np.flatnonzero(power > power.max() * 10**-4.6)
    return int(loud[0]), int(loud[-1]) + 1


def beep() -> np.ndarray:
    """0.4 s of 1 kHz, as heard from answering machines."""
    time = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * time) * np.sqrt(2) * 10 ** (LEVEL_DBOV / 20)
    return faded(tone)


def ringing() -> np.ndarray:
    """One period of ring-back as China's network sounds it (GF 002-9002): 450 Hz for 1 s, then 4 s of silence."""
    time = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 450 * time) * np.sqrt(2) * 10 ** (LEVEL_DBOV / 20)
    return np.concatenate([faded(tone), np.zeros(4 * RATE_HZ)])


def music() -> np.ndarray:
    """19.2 s of soft bells on a pentatonic scale, our own; quieter than speech."""
    scale = [392.0, 440.0, 523.25, 587.33, 659.25, 783.99]
    melody = [2, 3, 4, 2, 4, 5, 4, 3, 2, 1, 2, 0, 1, 2, 3, 2, 4, 3, 2, 1, 0, 1, 2, 0]
    beat = int(0.8 * RATE_HZ)
    out = np.zeros(len(melody) * beat)
    time = np.arange(2 * beat) / RATE_HZ
    for n, note in enumerate(melody):
        hz = scale[note]
        bell = (np.sin(2 * np.pi * hz * time) + 0.3 * np.sin(4 * np.pi * hz * time)) * np.exp(-3.0 * time)
        end = min(len(out), n * beat + len(bell))
        out[n * beat : end] += bell[: end - n * beat]
    return faded(out / np.abs(out).max() * 10 ** (-14 / 20))


def write(path: Path, samples: np.ndarray) -> None:
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.tobytes())


def read(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        if form != (RATE_HZ, 1, 2):
            raise ValueError(f"{path}: {form[0]} Hz, {form[1]} channels, {8 * form[2]} bits; wanted 8000 Hz, 1, 16")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768
