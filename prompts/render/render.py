"""Renders prompts.toml into zh-CN/*.wav.

    render.py [--cache DIR] [--only REGEX]

Only missing files are made, so that a person's recording is never overwritten; delete a file to have it made again.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

import telephone
from carriers import Carrier, Series, carrier, prompts, series, spoken
from kokoro import RATE_HZ, Kokoro
from mandarin import phonemes

SPEAKER = "zf_xiaobei"
SPEED = 0.95
# Pauses between sentences; the model makes them too short for an old listener.
_PAUSE_S = {"。": 0.45, "；": 0.40, "？": 0.45}
# Kept around speech: weak consonants at its edges lie below the threshold of trimming.
_BREATH_S = 0.03
_EDGE_S = 0.06
# What a phrase keeps of the pause that followed it in its carrier.
_PHRASE_TAIL_S = 0.10
# Between groups of digits.
_PAUSE_PIECE_S = 0.30
# Glottal stops: see carriers.py.
_STOP = "ʔ ʔ"
# Sounds that begin softly. After a glottal stop they begin with a burst that is heard as a d or b (一 as 地): it is cut off.
_SOFT = "aeiouyɤəɚɥjwlmnɻʊ"
_SOFT_ATTACK_S = 0.040
_DOWN = RATE_HZ // telephone.RATE_HZ
_PROMPTS = Path(__file__).resolve().parent.parent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "minxin-prompts")
    arguments.add_argument("--only", default=".*", help="regular expression of the ids to render")
    options = arguments.parse_args()
    kokoro = Kokoro(options.cache)
    folder = _PROMPTS / "zh-CN"
    folder.mkdir(exist_ok=True)
    wanted = [
        prompt
        for prompt in prompts(_PROMPTS)
        if re.fullmatch(options.only, prompt["id"]) and not (folder / f"{prompt['id']}.wav").exists()
    ]
    groups = series(wanted)
    members = {prompt["id"] for _, group in groups for prompt in group}
    for prompt in wanted:
        if prompt["id"] not in members:
            _save(folder, prompt, _single(kokoro, prompt))
    for kind, group in groups:
        for prompt, samples in zip(group, counted(kokoro, kind, [spoken(one) for one in group], SPEAKER)):
            _save(folder, prompt, samples)


def _save(folder: Path, prompt: dict, samples: np.ndarray) -> None:
    telephone.write(folder / f"{prompt['id']}.wav", samples)
    print(f"{prompt['id']:24} {len(samples) / telephone.RATE_HZ:6.2f} s  {prompt['text']}", file=sys.stderr, flush=True)


def _single(kokoro: Kokoro, prompt: dict) -> np.ndarray:
    if prompt["id"] == "beep":
        return telephone.beep()
    if prompt["id"] == "queue.ringing":
        return telephone.ringing()
    if prompt["id"] == "queue.music":
        return telephone.music()
    if prompt["id"] == "pause":
        return np.zeros(int(_PAUSE_PIECE_S * telephone.RATE_HZ))
    frame = carrier(prompt["id"])
    if frame is None:
        return sentences(kokoro, prompt["text"], SPEAKER, SPEED)
    return phrase(kokoro, spoken(prompt), frame, SPEAKER)


def sentences(kokoro: Kokoro, text: str, speaker: str, speed: float) -> np.ndarray:
    """`text` at 8 kHz, levelled, each sentence rendered by itself with our own pauses between."""
    parts = []
    for sentence, mark in re.findall(r"([^。；？]+)([。；？]?)", text):
        speech, _ = kokoro.say(phonemes(sentence + ("。" if mark == "；" else mark)), speaker, speed)
        parts.append(telephone.trimmed(telephone.narrow(speech), _BREATH_S, _BREATH_S))
        parts.append(np.zeros(int(_PAUSE_S.get(mark, 0.0) * telephone.RATE_HZ)))
    return telephone.trimmed(telephone.levelled(np.concatenate(parts)), _EDGE_S, _EDGE_S)


def phrase(kokoro: Kokoro, text: str, frame: Carrier, speaker: str) -> np.ndarray:
    """The beginning of a sentence; the sentence as a whole has the standard level."""
    head, tail = phonemes(text), phonemes(frame.after.lstrip("，"))
    pause = frame.after.startswith("，")
    speech, ends = kokoro.say(f"{head}, {tail}" if pause else f"{head} {tail}", speaker, frame.speed)
    samples = telephone.levelled(telephone.narrow(speech))
    # Token 0 is the model's own edge, so the last symbol of `head` is token len(head).
    stop = _quietest(samples, ends[len(head)] // _DOWN, 0.04)
    return telephone.held(telephone.trimmed(samples[:stop], _BREATH_S, _PHRASE_TAIL_S if pause else 0.0))


def counted(kokoro: Kokoro, kind: Series, items: list[str], speaker: str) -> list[np.ndarray]:
    """The items of a series, each for itself; the series as a whole has the standard level."""
    texts = [kind.first, *items] + ([kind.last] if kind.last else [])
    line, spans = "", []
    for text in texts:
        line += _STOP if line else ""
        start = len(line)
        line += phonemes(text)
        spans.append((start, len(line)))
    speech, ends = kokoro.say(line + ("." if kind.final else ","), speaker, kind.speed)
    samples = telephone.levelled(telephone.narrow(speech))
    cuts = [
        _quietest(samples, (ends[left] + ends[right]) // 2 // _DOWN, (ends[right] - ends[left]) / RATE_HZ / 2)
        for (_, left), (right, _) in zip(spans, spans[1:])
    ]
    cuts.append(len(samples))
    pieces = []
    for (first, _), start, stop in list(zip(spans[1:], cuts, cuts[1:]))[: len(items)]:
        soft = line[first] in _SOFT
        if soft:
            start = max(start, ends[first] // _DOWN - int(_SOFT_ATTACK_S / 2 * telephone.RATE_HZ))
        attack_s = _SOFT_ATTACK_S if soft else telephone.FADE_S
        pieces.append(telephone.held(telephone.trimmed(samples[start:stop], kind.lead_s, kind.tail_s, attack_s)))
    return pieces


def _quietest(samples: np.ndarray, at: int, reach_s: float) -> int:
    """The quietest moment within `reach_s` of `at`."""
    reach, frame = int(reach_s * telephone.RATE_HZ), telephone.RATE_HZ // 100
    power = np.convolve(samples**2, np.ones(frame) / frame, mode="same")
    low = max(0, at - reach)
    return low + int(np.argmin(power[low : at + reach]))


if __name__ == "__main__":
    main()
