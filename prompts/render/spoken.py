"""Makes the sets by which the understanding of answers is measured, from the lists in tests/data/spoken.

    spoken.py answers [--cache DIR] [--only REGEX]
    spoken.py requests [--cache DIR]
    spoken.py names [--cache DIR]

Each set becomes a folder of the cache with 8 kHz WAV files and labels.tsv: file, half, what was asked, what is meant, words,
condition. The two halves of a list have different wordings and are spoken by different speakers. Everything that is drawn by
lot follows from SEED and the words, so a set can be made again to the sample. Only missing speech is rendered.
"""

import argparse
import random
import re
import sys
from pathlib import Path

import numpy as np
from scipy import signal

import telephone
from kokoro import Kokoro
from render import sentences

SEED = 20130326
_LISTS = Path(__file__).resolve().parents[2] / "tests" / "data" / "spoken"
_PROMPTS = Path(__file__).resolve().parents[1] / "zh-CN"
SPEAKERS = {
    "c": ("zm_yunjian", "zm_yunxia", "zf_xiaoyi", "zf_xiaoni"),
    "t": ("zm_yunxi", "zm_yunyang", "zf_xiaoxiao", "zf_xiaobei"),
}
_SPEEDS = (0.80, 0.95, 1.10)
# Noise and its level below the active level of the speech; car and babble as far and near.
CONDITIONS = (("clean", 40.0), ("car", 20.0), ("car", 10.0), ("babble", 20.0), ("babble", 10.0))
_GAINS_DB = (-12.0, -6.0, 0.0)
# Line before and after the speech, as the gateway cuts an utterance out.
_LEAD_S, _TAIL_S = 0.30, 0.20
# Sounds that are no speech, and what they answer: nothing.
_SOUNDS = ("cough", "breath", "horn", "clicks", "car", "hum")
_SOUND_KINDS = ("yes_no", "rating", "digits", "window", "village", "date")
_RATE = telephone.RATE_HZ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("answers", "requests", "names"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "minxin-prompts")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="new recordings to render in this run")
    options = parser.parse_args()
    speech = Speech(options.cache, options.most)
    folder = options.cache / options.set
    folder.mkdir(parents=True, exist_ok=True)
    {"answers": answers, "requests": requests, "names": names}[options.set](speech, folder)


class Speech:
    """Clean recordings, rendered once and kept."""

    def __init__(self, cache: Path, most: int):
        self._cache, self._left, self._kokoro = cache, most, None
        (cache / "clean").mkdir(parents=True, exist_ok=True)

    def say(self, words: str, speaker: str) -> np.ndarray | None:
        """`words` at a pace drawn by lot; `None` once this run has rendered its share."""
        speed = drawn("speed", words, speaker).choice(_SPEEDS)
        path = self._cache / "clean" / f"{speaker}.{speed:.2f}.{re.sub('[，。？]', '', words)}.wav"
        if not path.exists():
            if self._left == 0:
                return None
            self._left -= 1
            self._kokoro = self._kokoro or Kokoro(self._cache)
            telephone.write(path, sentences(self._kokoro, words, speaker, speed))
        return telephone.read(path)


def answers(speech: Speech, folder: Path) -> None:
    """Every answer by each speaker of its half, in one condition each; and sounds."""
    rows, missing = [], 0
    for half, speakers in SPEAKERS.items():
        chosen = [row for row in listed("answers.tsv") if row[0] in (half, "b")]
        for number, (_, kind, value, words) in enumerate(chosen):
            for at, speaker in enumerate(speakers):
                said = speech.say(words, speaker)
                if said is None:
                    missing += 1
                    continue
                # Each speaker meets each condition equally often, whatever is said.
                condition = CONDITIONS[(number + at + number // len(CONDITIONS)) % len(CONDITIONS)]
                name = f"{half}{number:03}.{speaker}.wav"
                on_the_line(folder / name, said, condition, (kind, words, speaker))
                rows.append((name, half, kind, value, words, f"{condition[0]}{condition[1]:.0f}"))
        for number, sound in enumerate(_SOUNDS * 4):
            lot = drawn("sound", half, str(number))
            name = f"{half}.{sound}.{number:02}.wav"
            telephone.write(folder / name, _sound(sound, lot) * 10 ** (lot.choice(_GAINS_DB) / 20))
            rows.append((name, half, lot.choice(_SOUND_KINDS), "-", sound, "sound"))
    finish(folder, rows, missing)


def requests(speech: Speech, folder: Path) -> None:
    """Every request once, by the speakers of its half in turn."""
    one_each(speech, folder, "requests.tsv", "window")


def names(speech: Speech, folder: Path) -> None:
    """Every sentence with a local name, by two speakers of its half."""
    one_each(speech, folder, "names.tsv", "name", 2)


def one_each(speech: Speech, folder: Path, file: str, kind: str, voices: int = 1) -> None:
    rows, missing = [], 0
    for number, (half, value, words) in enumerate(listed(file)):
        for voice in range(voices):
            speaker = SPEAKERS[half][(number + voice) % len(SPEAKERS[half])]
            said = speech.say(words, speaker)
            if said is None:
                missing += 1
                continue
            condition = CONDITIONS[(number + number // len(CONDITIONS) + voice) % len(CONDITIONS)]
            name = f"{half}{number:03}.{speaker}.wav"
            on_the_line(folder / name, said, condition, (kind, words, speaker))
            rows.append((name, half, kind, value, words, f"{condition[0]}{condition[1]:.0f}"))
    finish(folder, rows, missing)


def listed(file: str) -> list[list[str]]:
    lines = (_LISTS / file).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def finish(folder: Path, rows: list[tuple], missing: int) -> None:
    (folder / "labels.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{folder}: {len(rows)} recordings, {missing} still to be rendered", file=sys.stderr)


def drawn(*what: str) -> random.Random:
    """Lots that depend on `what` alone."""
    return random.Random(f"{SEED}/{'/'.join(what)}")


def on_the_line(path: Path, said: np.ndarray, condition: tuple[str, float], lot_of: tuple[str, ...]) -> None:
    """Speech with line before and after it, noise over all, at a level drawn by lot."""
    lot = drawn("line", *lot_of)
    lead, tail = (np.zeros(int(span * _RATE)) for span in (_LEAD_S, _TAIL_S))
    line = np.concatenate([lead, said, tail])
    kind, below_db = condition
    level, _ = telephone.active_level(said)
    noise = {"clean": _hiss, "car": _car, "babble": _babble}[kind](len(line), lot)
    noise *= 10 ** ((level - below_db) / 20) / np.sqrt(np.mean(noise**2))
    telephone.write(path, telephone.limited((line + noise) * 10 ** (lot.choice(_GAINS_DB) / 20)))


def _white(length: int, lot: random.Random) -> np.ndarray:
    return np.random.default_rng(lot.getrandbits(64)).standard_normal(length)


def _hiss(length: int, lot: random.Random) -> np.ndarray:
    return _white(length, lot)


def _car(length: int, lot: random.Random) -> np.ndarray:
    """Road and wind, falling by 9 dB an octave from 150 Hz on, and an engine's harmonics."""
    road = signal.lfilter(*signal.butter(1, 150, fs=_RATE), _white(length, lot))
    road = signal.lfilter(*signal.butter(1, 600, fs=_RATE), road)
    time = np.arange(length) / _RATE
    hz = lot.uniform(55, 90)
    engine = sum(np.sin(2 * np.pi * hz * h * time + lot.uniform(0, 6.28)) / h for h in range(2, 9))
    return road / np.std(road) + 0.5 * engine / np.std(engine) + 0.15 * _white(length, lot)


def _babble(length: int, lot: random.Random) -> np.ndarray:
    """Five stretches of the gateway's own prompts at once: a room full of one voice at five pitches."""
    files = sorted(path for path in _PROMPTS.glob("*.wav") if path.stat().st_size > 40_000)
    total = np.zeros(length)
    for _ in range(5):
        pitch = lot.uniform(0.8, 1.2)
        pcm = telephone.read(lot.choice(files))
        pcm = np.interp(np.arange(int(len(pcm) / pitch)) * pitch, np.arange(len(pcm)), pcm)
        pcm = np.tile(pcm, length // len(pcm) + 2)
        start = lot.randrange(len(pcm) - length)
        total += pcm[start : start + length]
    return total


def _sound(kind: str, lot: random.Random) -> np.ndarray:
    """A second or less of something that nobody said."""
    length = int(lot.uniform(0.35, 1.2) * _RATE)
    time = np.arange(length) / _RATE
    if kind == "cough":
        burst = np.exp(-time * lot.uniform(8, 16)) + 0.6 * np.exp(-np.maximum(time - 0.25, 0) * 12) * (time > 0.25)
        low = lot.uniform(350, 600)
        body = signal.lfilter(*signal.butter(2, (low, low * 4), "bandpass", fs=_RATE), _white(length, lot))
        out = burst * body / np.std(body)
    elif kind == "breath":
        out = np.sin(np.pi * time * _RATE / length) ** 2 * signal.lfilter([1], [1, -0.7], _white(length, lot))
    elif kind == "horn":
        hz = lot.uniform(330, 480)
        out = sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 1.25, 2, 2.5, 3))
    elif kind == "clicks":
        out = (np.random.default_rng(lot.getrandbits(64)).random(length) < 0.002) * 8.0 + 0.02 * _white(length, lot)
    elif kind == "car":
        out = _car(length, lot)
    else:
        out = sum(np.sin(2 * np.pi * 50 * h * time) / h for h in (1, 2, 3, 7)) + 0.05 * _white(length, lot)
    line = np.concatenate([np.zeros(int(_LEAD_S * _RATE)), out, np.zeros(int(_TAIL_S * _RATE))])
    line = line * 0.1 / np.sqrt(np.mean(out**2)) + 0.0005 * _white(len(line), lot)
    return telephone.limited(line)


if __name__ == "__main__":
    main()
