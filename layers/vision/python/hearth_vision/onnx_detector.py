"""A detector from an ONNX file: image → letterbox → network → decoding → suppression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from hearth.errors import ModelFailed
from hearth.processor import cpu_share
from hearth_vision.backends.choice import load_program
from hearth_vision.backends.compile_cache import compile_cache
from hearth_vision.backends.program import Shape, Size, Tensor
from hearth_vision.decoding.decoder import Decoder, count_cells
from hearth_vision.decoding.family import Layout, input_format
from hearth_vision.decoding.two_outputs import join
from hearth_vision.detections import Detections
from hearth_vision.image_check import validate_image
from hearth_vision.images import Bgr
from hearth_vision.letterbox import InputFormat, Placement, letterbox, rectangle
from hearth_vision.model_check import prove_model
from hearth_vision.nms import suppress
from hearth_vision.served_model import model_source

if TYPE_CHECKING:
    from pathlib import Path

    from hearth_vision.detector import DetectorConfig, DetectorInfo
    from hearth_vision.served_model import ModelSource

DEFAULT_SIZE = (640, 640)
"""(height, width) for a model that leaves it free and whose file names none."""


class OnnxDetector:
    """YOLO and DETR detectors (`decoding`), by any backend; a file, or what a registry serves.

    Args:
        path: ONNX file, or a registry's folder.
        source: What to load, where that is known already.

    Raises:
        ModelFailed: The model is missing, broken, or answers nonsense.
    """

    def __init__(
        self, path: Path, config: DetectorConfig, source: ModelSource | None = None
    ) -> None:
        from hearth_vision.detector import DetectorInfo

        can = config.backend != "onnxruntime" and find_spec("openvino") is not None
        source = source or model_source(path, config.classes, openvino=can)
        classes, name = source.classes, source.program.name
        precision = config.precision
        if precision == "auto" and source.precision:
            precision = source.precision

        def format_of(shapes: Sequence[Shape], size: Size) -> InputFormat:
            return input_format(Layout(name, size, shapes, classes))

        self._program, notes = load_program(
            source.program,
            backend="openvino" if source.openvino else config.backend,
            threads=config.threads or cpu_share(),
            precision=precision,
            size=source.input_size or DEFAULT_SIZE,
            format_of=format_of,
            cache=compile_cache(config.cache) if config.cache else None,
        )
        decoder = prove_model(self._program, name, classes)
        self._decoders: dict[Size, Decoder] = {self._program.trial: decoder}
        self._config = config
        self._confidence = config.threshold()
        self._model = name
        self._info = DetectorInfo(
            name=source.name,
            sha256=source.sha256,
            method=decoder.method,
            backend=self._program.backend,
            detail=f"{self._program.detail}, "
            + ("input as the camera's shape asks" if self._program.rectangular else "fixed input"),
            classes=classes,
            input_size=None if self._program.rectangular else self._program.size,
            confidence=self._confidence,
            iou=config.iou,
            fallback=False,
            notes=(*source.notes, *notes),
            model_id=source.model_id,
            variant=source.variant,
            precision=self._program.precision,
        )

    @property
    def info(self) -> DetectorInfo:
        return self._info

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        placed: list[tuple[Size, Placement]] = []
        answers = self._program.run_many(self._prepare(images, placed))
        return [
            self._read(join(outputs, count_cells(placed[index][0])), *placed[index])
            for index, outputs in enumerate(answers)
        ]

    def _prepare(
        self, images: Iterable[Bgr], placed: list[tuple[Size, Placement]]
    ) -> Iterator[Bgr]:
        program = self._program
        for image in images:
            validate_image(image)
            size = program.size
            if program.rectangular:
                size = rectangle((image.shape[0], image.shape[1]), size)
            boxed, placement = letterbox(image, size, centred=program.form.centred)
            placed.append((size, placement))
            yield boxed

    def _decoder(self, size: Size) -> Decoder:
        if size not in self._decoders:
            self._decoders[size] = self._decoders[self._program.trial].at(size)
        return self._decoders[size]

    def _read(self, output: Tensor, size: Size, placement: Placement) -> Detections:
        boxes, scores, class_ids = self._decoder(size).decode(output, self._confidence)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelFailed(f"model {self._model}: it answered NaN or infinity on an image")
        scores = np.clip(scores, 0, 1)
        boxes = placement.to_source(boxes)
        # A box wholly inside the padding has no area left: it shows nothing.
        seen = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
        boxes, scores, class_ids = boxes[seen], scores[seen], class_ids[seen]
        kept = suppress(boxes, scores, class_ids, self._config.iou, self._config.max_detections)
        return Detections(boxes[kept], scores[kept], class_ids[kept])
