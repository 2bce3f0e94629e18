"""How far OpenVINO's variants of YOLOX-nano agree with float32, and how fast they are:

    HEARTH_SHARED=… python -m tests.performance.model_variants

Calibrated on every other tenth of two real clips; agreement is measured on the tenths between, and
frames with people on every frame. Ratios in one run, with the original on ONNX Runtime as 1.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hearth_models.admission import admit
from hearth_models.files import Folder
from hearth_models.frames import Frames, from_path
from hearth_models.record import ORIGINAL
from hearth_models.registry import Registry, utc_text
from hearth_models.variants import bench, loaded, make_variants, person_class

CONFIDENCE = 0.5
CLIPS = {"worker-zone-detection.gif": 71, "one-by-one-person-detection.mp4": 200}


def main() -> None:
    folder = os.environ.get("HEARTH_SHARED")
    if not folder:
        sys.exit("HEARTH_SHARED is not set: there are no weights or clips to measure with")
    shared = Path(folder)
    classes = tuple((shared / "models/coco.names").read_text().splitlines())
    weights = shared / "models/yolox_nano.onnx"
    clips = {name: from_path(shared / "data/video" / name, n) for name, n in CLIPS.items()}
    pictures = [picture for clip in clips.values() for picture in clip.images]
    with tempfile.TemporaryDirectory() as scratch:
        registry = Registry(Folder(Path(scratch) / "models"))
        record = admit(weights, "yolox-nano", weights.name, classes, "Apache-2.0", utc_text())
        record = registry.add(record, weights)
        frames = Frames(pictures, "both clips")
        record = make_variants(registry, record, frames, say=lambda text: print(text, flush=True))
        print(json.dumps({
            "variants": [
                one.model_dump(include={"name", "method", "accepted", "reason", "agreement"})
                for one in record.variants
            ],
            "speed": {name: bench(registry, record, c.images) for name, c in clips.items()},
            "frames_with_a_person": people(registry, record, clips),
        }, indent=2))  # fmt: skip


def people(registry: Registry, record: Any, clips: dict[str, Frames]) -> dict[str, Any]:
    """Frames with a person by clip and variant, of how many."""
    person = person_class(record)
    found: dict[str, Any] = {name: {"frames": len(c.images)} for name, c in clips.items()}
    for variant in [ORIGINAL, *(one.name for one in record.variants)]:
        with loaded(registry, record, variant, CONFIDENCE) as detector:
            for name, clip in clips.items():
                answers = detector.detect(clip.images)
                found[name][variant] = sum(bool((a.class_ids == person).any()) for a in answers)
    return found


if __name__ == "__main__":
    main()
