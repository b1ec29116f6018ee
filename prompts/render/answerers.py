"""Renders those who answer a callback: tests/data/answered, with a label for each in labels.tsv.

    answerers.py [--cache DIR]

People as they pick up, machines, and the network's announcements in its usual wordings. Only missing files are made.
"""

import argparse
import sys
from pathlib import Path

import telephone
from kokoro import Kokoro
from render import sentences

_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "data" / "answered"

# Speaker, speed, words.
_PEOPLE = [
    ("zm_yunxi", 0.90, "喂。"),
    ("zf_xiaoyi", 0.95, "喂？"),
    ("zm_yunjian", 0.80, "喂。"),
    ("zf_xiaobei", 1.00, "喂，你好。"),
    ("zm_yunxia", 1.00, "喂，你好。"),
    ("zf_xiaoxiao", 0.85, "你好。"),
    ("zm_yunyang", 1.05, "你好，哪位？"),
    ("zf_xiaoyi", 0.90, "喂，哪位？"),
    ("zm_yunjian", 0.85, "喂，哪个？"),
    ("zm_yunxi", 1.00, "喂，你找谁？"),
    ("zf_xiaobei", 0.85, "喂，你是哪个？"),
    ("zm_yunxia", 0.80, "哎，喂，听得见吗？"),
    ("zf_xiaoxiao", 1.00, "你好，请讲。"),
    ("zm_yunyang", 0.90, "喂，什么事？"),
    ("zf_xiaoyi", 1.05, "喂，您好，请问您是哪里？"),
    ("zm_yunjian", 0.95, "喂。喂，听不清楚，你大声点。"),
    ("zm_yunxi", 0.85, "您好，高龙潭社区。"),
    ("zf_xiaobei", 0.95, "你好，这里是玉兴街道便民服务中心，请问有什么事？"),
    ("zf_xiaoxiao", 0.90, "喂，我在开车，你快点说。"),
    ("zm_yunxia", 0.90, "嗯。"),
    ("zm_yunyang", 0.85, "是我，你说吧。"),
    ("zf_xiaoyi", 0.80, "喂，你打错了吧？"),
]
_MACHINES = [
    ("zf_xiaoxiao", 1.00, "您好，我现在不方便接听电话，请在滴声后留言。"),
    ("zm_yunxi", 0.95, "你好，我暂时不能接你的电话，有事请留言，我会尽快给你回电。"),
    ("zf_xiaoyi", 1.05, "您好，这里是语音信箱，机主暂时无法接听您的电话，请在提示音后留言，留言结束请按井号键。"),
    ("zm_yunyang", 1.00, "您好。我是机主的智能助理，机主现在不方便接电话，请问您有什么事情，我帮您转达。"),
    ("zf_xiaobei", 1.00, "您好，您的电话已转接到来电助手，请留下您的姓名和事由，我会尽快转告机主。"),
    ("zm_yunjian", 0.90, "喂。我不在家，请在嘀声后留言。"),
    ("zm_yunxia", 1.00, "您好，这里是便民服务中心，现在是下班时间，请您在工作日早上九点以后再来电，或者在滴声后留言。"),
    ("zf_xiaoxiao", 0.95, "对不起，电话无人接听，请在听到哔声以后留言。"),
]
_ANNOUNCEMENTS = [
    ("zf_xiaobei", 1.00, "您好，您拨打的电话已关机。请稍后再拨。"),
    ("zf_xiaoyi", 1.00, "您好，您拨打的用户正在通话中，请稍后再拨。"),
    ("zf_xiaoxiao", 1.00, "您好，您所拨打的电话暂时无法接通，请稍后再拨。"),
    ("zf_xiaobei", 1.05, "对不起，您拨打的号码是空号，请查证后再拨。"),
    ("zf_xiaoyi", 0.95, "您好，您拨打的电话已停机。"),
    ("zf_xiaoxiao", 1.05, "您好，您拨打的电话暂时无人接听，请稍后再拨。"),
    ("zf_xiaobei", 0.95, "您好，您拨打的用户不在服务区，请稍后再拨。"),
]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "minxin-prompts")
    kokoro = Kokoro(arguments.parse_args().cache)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    lines = []
    for party, utterances in (("person", _PEOPLE), ("machine", _MACHINES), ("announcement", _ANNOUNCEMENTS)):
        for number, (speaker, speed, words) in enumerate(utterances, 1):
            path = _FOLDER / f"{party}.{number:02}.wav"
            if not path.exists():
                telephone.write(path, sentences(kokoro, words, speaker, speed))
                print(path, file=sys.stderr, flush=True)
            lines.append(f"{path.name}\t{party}\t{words}\n")
    (_FOLDER / "labels.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
