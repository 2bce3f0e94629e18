"""Writes vectors as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import Response
from numpy.typing import NDArray
from pydantic_core import to_json


def as_numbers(vectors: NDArray[np.float32]) -> list[list[float]]:
    """Convert vectors to lists. Eight decimals are exact for float32 unit vectors, in half the
    bytes of a double."""
    rows: list[list[float]] = vectors.astype(np.float64).round(8).tolist()
    return rows


def json_response(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Build a response without validating its tens of thousands of numbers one by one."""
    return Response(to_json(body), media_type="application/json", headers=dict(headers or {}))
