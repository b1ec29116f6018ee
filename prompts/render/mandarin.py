"""Chinese text to Kokoro's phonemes: words, readings, and the tone changes that spelling hides.

misaki's converter for this model reads each word by dictionary and changes no tones. Here 一 and 不 change before their
neighbours, and a third tone before another inside a word rises. A reading can be forced by pinyin in brackets: [yi2].
"""

import re

import jieba
from misaki.zh import ZHG2P
from pypinyin import Style, lazy_pinyin

_PUNCTUATION = {"，": ",", "、": ",", "。": ".", "；": ";", "：": ":", "？": "?", "！": "!"}
_NUMERALS = "零一二三四五六七八九十"
# 一 keeps its first tone before these: it counts or names, as in 一月, 一号, 一点 (the hour is written out as a piece).
_ORDINAL = "月号"
_TOKEN = re.compile(r"\[([a-z]+[1-5])\]|([\u4e00-\u9fff]+)|([，、。；：？！])")

_NUMBER = re.compile(r"[零一二三四五六七八九十两百千]+[月号点分百千]?")

jieba.setLogLevel("ERROR")


def phonemes(text: str) -> str:
    """Phonemes of `text`, words apart by spaces."""
    out = ""
    for forced, hanzi, mark in _TOKEN.findall(text):
        if mark:
            out = out.rstrip() + _PUNCTUATION[mark] + " "
        elif forced:
            out += ZHG2P.py2ipa(forced)
        else:
            # A number with its unit is one word: 二十三号.
            words = [hanzi] if _NUMBER.fullmatch(hanzi) else jieba.lcut(hanzi)
            out += _sentence(words) + " "
    return out.replace("\u032f", "").strip()


def _sentence(words: list[str]) -> str:
    readings = [lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True) for word in words]
    characters = "".join(words)
    flat = [reading for word in readings for reading in word]
    if len(flat) != len(characters):
        raise ValueError(f"readings do not match {characters!r}: {flat}")
    for at, character in enumerate(characters):
        if character == "一":
            flat[at] = _yi(characters, flat, at)
        elif character == "不":
            flat[at] = "bu2" if at + 1 < len(flat) and flat[at + 1].endswith("4") else "bu4"
    spoken, at = [], 0
    for word in words:
        spoken.append("".join(ZHG2P.py2ipa(reading) for reading in _thirds(flat[at : at + len(word)])))
        at += len(word)
    return " ".join(spoken)


def _yi(characters: str, readings: list[str], at: int) -> str:
    before = characters[at - 1] if at else ""
    after = characters[at + 1] if at + 1 < len(characters) else ""
    if not after or before in "零二三四五六七八九十第期" and before or after in _NUMERALS or after in _ORDINAL:
        return "yi1"
    if before == after:
        return "yi5"  # 停一停, 看一看: no stress.
    return "yi2" if readings[at + 1][-1] in "45" else "yi4"


def _thirds(readings: list[str]) -> list[str]:
    """A third tone rises before another third tone of the same word."""
    out = list(readings)
    for at in range(len(out) - 1):
        if readings[at].endswith("3") and readings[at + 1].endswith("3"):
            out[at] = readings[at][:-1] + "2"
    return out
