"""Renders the invented callers that tests and the demo use: tests/data/calls and tests/data/answers.

    callers.py [--cache DIR]

Their voices are others than the prompts' one, some slow as old people speak. Only missing files are made.
"""

import argparse
import re
import sys
from pathlib import Path

import telephone
from kokoro import Kokoro
from render import sentences

_DATA = Path(__file__).resolve().parents[2] / "tests" / "data"

# File, speaker, speed, words.
_CALLS = [
    ("request.pension", "zm_yunxi", 0.85, "我想问一下，我父亲今年八十二岁了，高龄津贴怎么申请，我们住在高龙潭社区。"),
    ("request.streetlight", "zf_xiaoyi", 0.90, "我们村口的路灯坏了半个月了，晚上走路看不见，请你们派人来修一修。"),
    ("request.medical", "zm_yunjian", 0.85, "我想问一下，在外地住院的医药费，医保怎么报销，要带什么材料。"),
    ("request.job", "zm_yunxia", 0.95, "我在家没有工作，想找一份工作，社区有没有招工的信息。"),
    ("request.disability", "zf_xiaoxiao", 0.85, "我儿子腿脚不方便，想办残疾证，要到哪里去办。"),
    ("request.birth", "zf_xiaoxiao", 1.00, "我快要生孩子了，生育登记怎么办，要带什么证件。"),
    ("request.enterprise", "zm_yunyang", 0.95, "我想开一家小饭馆，营业执照怎么办，要等多长时间。"),
    ("yes", "zm_yunxi", 0.90, "对。"),
    ("no", "zf_xiaoxiao", 0.90, "不对。"),
    ("person", "zm_yunjian", 0.90, "我要找人。"),
]
_ANSWERS = {
    "shi": "是",
    "bushi": "不是",
    "dui": "对",
    "budui": "不对",
    "manyi": "满意",
    "bumanyi": "不满意",
    "ling": "零",
    "yi": "一",
    "er": "二",
    "san": "三",
}
_ANSWERERS = [("zm_yunxi", 0.90), ("zm_yunjian", 0.85), ("zf_xiaoxiao", 0.90), ("zf_xiaoyi", 0.95)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "minxin-prompts")
    kokoro = Kokoro(arguments.parse_args().cache)
    answers = [
        (f"{speaker}.{name}", speaker, speed, f"{word}。")
        for speaker, speed in _ANSWERERS
        for name, word in _ANSWERS.items()
    ]
    for folder, utterances in ((_DATA / "calls", _CALLS), (_DATA / "answers", answers)):
        folder.mkdir(parents=True, exist_ok=True)
        for name, speaker, speed, words in utterances:
            path = folder / f"{name}.wav"
            if not path.exists():
                telephone.write(path, sentences(kokoro, words, speaker, speed))
                print(path, file=sys.stderr, flush=True)
        lines = [f"{name}.wav\t{re.sub('[，。]', '', words)}\n" for name, _, _, words in utterances]
        (folder / "transcripts.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
