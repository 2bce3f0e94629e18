"""Real photographs that ship inside scikit-image."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hearth_vision.images import Bgr, ImageLimits, decode_image


def photograph(file: str) -> Bgr:
    """(H, W, 3) uint8 BGR."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    data = (Path(spec.origin).parent / "data" / file).read_bytes()
    return decode_image(data, ImageLimits())
