"""Validates a network by running it on test images.

A network that was exported wrongly usually still runs, and finds nothing for ever. It is shown
black, grey and noise, and rejected if its output cannot be one of its family.
"""

from __future__ import annotations

import numpy as np

from hearth.errors import ModelFailed
from hearth_vision.backends.program import Tensor, TensorProgram
from hearth_vision.decoding.decoder import Decoder, count_cells
from hearth_vision.decoding.end_to_end import EndToEndDecoder
from hearth_vision.decoding.family import Layout, check_centres, choose_decoder
from hearth_vision.decoding.two_outputs import join

_ROUNDING = 0.01
"""Scores may leave 0..1 by so much: half-precision sigmoids round."""

_SATURATED = 0.99


def prove_model(program: TensorProgram, model: str, classes: tuple[str, ...]) -> Decoder:
    """Choose the decoder and check that the outputs are plausible.

    Args:
        program: The network.
        model: Name, for messages.
        classes: Class names.

    Raises:
        ModelFailed: What is wrong, in one sentence.
    """
    height, width = program.trial
    images = {
        "black": np.zeros((height, width, 3), np.uint8),
        "grey": np.full((height, width, 3), 127, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8),
    }
    answers: dict[str, Tensor] = {}
    shapes: list[tuple[int | None, ...]] = []
    for name, image in images.items():
        [outputs] = program.run_many([image])
        shapes = [output.shape for output in outputs]
        answers[name] = join(outputs, count_cells(program.trial)).copy()
    decoder = choose_decoder(Layout(model, program.trial, shapes, classes), answers["black"])
    for output in answers.values():
        _check_numbers(model, output)
    everything = np.concatenate([decoder.scores(output).ravel() for output in answers.values()])
    low, high = float(everything.min(initial=1)), float(everything.max(initial=0))
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ModelFailed(
            f"model {model}: scores run from {low:.3g} to {high:.3g}, but 0..1 is expected; "
            f"export it with the sigmoid inside"
        )
    if isinstance(decoder, EndToEndDecoder):
        # Finding nothing on test images is right, and proves nothing more.
        decoder.check(list(answers.values()))
        return decoder
    if low > _SATURATED or high == 0:
        raise ModelFailed(
            f"model {model}: every score is {high:.2f} whatever the image; "
            f"export it with scores of 0..1 that vary"
        )
    for output in answers.values():
        boxes, _, _ = decoder.decode(output, confidence=0.0)
        if not np.isfinite(boxes).all():
            raise ModelFailed(f"model {model}: decoded boxes are not finite on a test image")
        check_centres(model, decoder, output, (height, width))
    if np.array_equal(answers["black"], answers["noise"]) and np.array_equal(
        answers["grey"], answers["noise"]
    ):
        raise ModelFailed(
            f"model {model}: it answers the same to black, grey and noise, so it does not look "
            f"at its input"
        )
    return decoder


def _check_numbers(model: str, output: Tensor) -> None:
    if output.dtype.kind != "f":
        raise ModelFailed(
            f"model {model}: the output is {output.dtype.name}; float32 or float16 is expected"
        )
    wrong = int(np.count_nonzero(~np.isfinite(output)))
    if wrong:
        raise ModelFailed(
            f"model {model}: {wrong} of {output.size} output values are not finite (NaN or "
            f"infinity) on a test image"
        )
