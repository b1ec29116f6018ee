"""Checks zh-CN against prompts.toml: a file for every id, no file without one, format, level, peak, length, edges.

    check.py                    needs only numpy and scipy; exit status 1 when something does not fit
    check.py --recognise        also recognises every sentence back and prints character and syllable errors
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import telephone
from carriers import carrier, prompts, series

_FOLDER = Path(__file__).resolve().parent.parent
# How far the level may be off.
_LEVEL_DB = 1.0
_EDGE_SILENCE_S = 0.16
_NOTICE_S = 6.0  # R12.1
_SENTENCE_S = 30.0  # B22
_TOTAL_BYTES = 12_000_000


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--recognise", action="store_true")
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "minxin-prompts")
    options = arguments.parse_args()
    wanted = prompts(_FOLDER)
    pieces = {prompt["id"] for _, group in series(wanted) for prompt in group}
    pieces |= {prompt["id"] for prompt in wanted if carrier(prompt["id"])}
    faults = _strangers(wanted)
    for prompt in wanted:
        faults += [f"{prompt['id']}: {fault}" for fault in _faults(prompt, prompt["id"] in pieces)]
    for fault in faults:
        print(fault)
    files = list((_FOLDER / "zh-CN").glob("*.wav"))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(wanted)} prompts, {len(files)} files, {size / 1e6:.2f} MB, {len(faults)} faults", file=sys.stderr)
    if options.recognise:
        _recognise([prompt for prompt in wanted if prompt["id"] not in pieces], options.cache)
    return 1 if faults else 0


def _strangers(wanted: list[dict]) -> list[str]:
    ids = [prompt["id"] for prompt in wanted]
    found = {path.stem for path in (_FOLDER / "zh-CN").glob("*.wav")}
    twice = [f"{one}: listed twice" for one in sorted({one for one in ids if ids.count(one) > 1})]
    return twice + [f"{one}: a file, but not in prompts.toml" for one in sorted(found - set(ids))]


def _faults(prompt: dict, piece: bool) -> list[str]:
    path = _FOLDER / "zh-CN" / f"{prompt['id']}.wav"
    if not path.exists():
        return ["no recording"]
    try:
        samples = telephone.read(path)
    except ValueError as fault:
        return [str(fault)]
    if prompt["id"] == "pause":
        return ["not silent"] if np.any(samples) else []
    faults = []
    seconds = len(samples) / telephone.RATE_HZ
    limit = _NOTICE_S if prompt["id"] == "notice" else _SENTENCE_S
    if seconds > limit:
        faults.append(f"{seconds:.1f} s, limit {limit:.0f} s")
    level, _ = telephone.active_level(samples)
    low, high = telephone.PIECE_DBOV if piece else (telephone.LEVEL_DBOV, telephone.LEVEL_DBOV)
    if not low - _LEVEL_DB <= level <= high + _LEVEL_DB:
        faults.append(f"active level {level:.1f} dBov, wanted {low:.0f} to {high:.0f}")
    peak = 20 * np.log10(np.max(np.abs(samples)) + 1e-9)
    if peak > telephone.PEAK_DBFS + 0.05:
        faults.append(f"peak {peak:.1f} dBFS, limit {telephone.PEAK_DBFS:.0f}")
    first, last = telephone.speech_span(samples)
    for edge, silence in (("start", first), ("end", len(samples) - last)):
        if silence > _EDGE_SILENCE_S * telephone.RATE_HZ:
            faults.append(f"{silence / telephone.RATE_HZ:.2f} s of silence at the {edge}")
    return faults


def _recognise(sentences: list[dict], cache: Path) -> None:
    from recognise import Recogniser, errors  # Only here: the plain check needs no model.

    recogniser = Recogniser(cache)
    totals = np.zeros(3, dtype=int)
    for prompt in sentences:
        if prompt["id"] in ("beep", "pause"):
            continue
        heard = recogniser.text(telephone.read(_FOLDER / "zh-CN" / f"{prompt['id']}.wav"))
        counts = errors(prompt["text"], heard)
        totals += counts
        print(f"{prompt['id']}\t{counts[0]}\t{counts[1]}\t{counts[2]}\t{prompt['text']}\t{heard}", flush=True)
    characters, syllables, length = totals
    print(f"CER {characters / length:.3f}, syllables {syllables / length:.3f}, {length} characters", flush=True)


if __name__ == "__main__":
    sys.exit(main())
