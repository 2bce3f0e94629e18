"""A fresh process from its start to the first answer; `detector.py` runs it.

Alone in its file, so that nothing is imported that the product would not import.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from hearth_vision.detector import DetectorConfig
from hearth_vision.images import ImageLimits, decode_image
from hearth_vision.loading import load_detector

BATCH = 10


def main(began: str, model: str, cache: str, picture: str) -> None:
    jpeg = Path(picture).read_bytes()
    detector = load_detector(DetectorConfig(Path(model), cache=Path(cache), backend="openvino"))
    detector.detect([decode_image(jpeg, ImageLimits())])
    seconds, processor = time.monotonic() - float(began), time.process_time()
    for _ in range(3):
        detector.detect(decode_image(jpeg, ImageLimits()) for _ in range(BATCH))
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) // 1024
    print(json.dumps({"seconds": seconds, "processor": processor, "memory_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
