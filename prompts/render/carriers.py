"""The phrases from which pieces are cut, and which pieces are spoken together.

Said alone, every piece would have the falling melody of a whole sentence, a lone syllable would lose its tone, and a composed
number would sound like a list of sentences. So no piece is spoken alone.

Phrases that begin or end a composed sentence stand first in a carrier sentence, where their beginning is clean; what follows
starts with a closure (b, d, g, zh), where the voice is silent for a moment and the cut is not heard.

Numbers, dates and units are spoken as a series, like somebody counting. The model makes no pause between short items, whatever
mark is written; two glottal stops between them do: the sound falls by 30 dB, and the cut is made there. A first and a last
item that nobody keeps carry the rise and fall of the whole.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

# Items of one series: long enough for an even melody, short enough for the model to stay steady.
_SERIES_LENGTH = 6


@dataclass(frozen=True)
class Carrier:
    """A piece, spoken first in a sentence that goes on with `after`."""

    after: str
    speed: float = 0.95


@dataclass(frozen=True)
class Series:
    """Pieces spoken one after another between `first` and `last`."""

    first: str
    last: str
    speed: float
    # Whether the piece is the last of its utterance, and falls.
    final: bool = False
    # Silence kept around a piece, in seconds: digits are spaced so that a listener can write them down.
    lead_s: float = 0.0
    tail_s: float = 0.0


_COUNTED = Series("四十四", "八十八", 0.88)
_SYLLABLE = Series("三百", "八百", 0.78)
_NAME = Series("本区", "八个", 0.90, lead_s=0.02, tail_s=0.10)
_LAST_DIGIT = Series("三五八", "", 0.75, final=True, lead_s=0.02, tail_s=0.08)

# Digits, and dates that begin with a soft sound, are understood better from the head of a phrase than from a series.
_NUMBER_SPEED = 0.74
_CARRIERS = [
    (r"d\.(\d|yao)|d\.([012567]|yao)\.end", "八三五，"),
    (r"(month|day|hour)\.[01256]", "八个，"),
    (r"hello", "，大家。"),
    (r"queue\.(ahead|wait)", "八个。"),
    (r"readback\.window", "，八号窗口。"),
    (r"readback\.place", "，八号大院。"),
    (r"readback\.phone|case\.opened|case\.repeat", "，八八三五。"),
    (r"case\.owner", "，大队办理。"),
    (r"case\.due|callback\.promise", "八月八号，"),
    (r"progress\.is|owner\..*", "，办理好了。"),
    (r"window\.\d", "，对吗？"),
]
_SERIES = [
    (r"org\.\d+", _NAME),
    (r"d\.(\d|yao)\.end", _LAST_DIGIT),
    (r"n\.(\d|10)|liang|yi\.(rising|falling)|unit\.\w+|year\.tail|minute\.zheng|half", _SYLLABLE),
    (r"n\.\d\d|(hundred|thousand|month|day|hour|minute|week)\.\d+", _COUNTED),
    (r"percent|workdays|today|tomorrow|day_after|morning|noon|afternoon|evening", _COUNTED),
]
# Readings that the text does not give.
_READINGS = {
    "yi.rising": "[yi2]",
    "yi.falling": "[yi4]",
    "d.yao": "[yao1]",
    "d.yao.end": "[yao1]",
    "unit.point": "[dian3]",
    "org.110050": "[chang2][po1][cun1]",
}


def spoken(prompt: dict) -> str:
    """The words of `prompt` for the model: its text, with [pinyin] where the reading must be forced."""
    return _READINGS.get(prompt["id"], prompt["text"])


def carrier(prompt_id: str) -> Carrier | None:
    """The sentence a phrase stands in; `None` for a sentence of its own and for members of a series."""
    after = next((after for ids, after in _CARRIERS if re.fullmatch(ids, prompt_id)), None)
    number = re.fullmatch(r"(d|month|day|hour)\..*", prompt_id)
    return after and Carrier(after, _NUMBER_SPEED if number else Carrier.speed)


def series(wanted: list[dict]) -> list[tuple[Series, list[dict]]]:
    """The members of series among `wanted`, in the groups in which they are spoken."""
    groups: list[tuple[Series, list[dict]]] = []
    for prompt in wanted:
        if carrier(prompt["id"]):
            continue
        kind = next((kind for ids, kind in _SERIES if re.fullmatch(ids, prompt["id"])), None)
        if kind is None:
            continue
        room = 1 if kind.final else _SERIES_LENGTH
        open_group = next((group for other, group in groups if other is kind and len(group) < room), None)
        if open_group is None:
            groups.append((kind, [prompt]))
        else:
            open_group.append(prompt)
    return groups


def prompts(folder: Path) -> list[dict]:
    """The entries of prompts.toml, in file order."""
    with (folder / "prompts.toml").open("rb") as file:
        return tomllib.load(file)["prompt"]
