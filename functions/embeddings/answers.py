"""Vectors as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import Response
from numpy.typing import NDArray
from pydantic_core import to_json


def as_numbers(vectors: NDArray[np.float32]) -> list[list[float]]:
    """Each vector as a list. Eight decimals hold all of a float32 of a unit vector, in half the
    bytes of the double that it would be written as."""
    rows: list[list[float]] = vectors.astype(np.float64).round(8).tolist()
    return rows


def json_response(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose tens of thousands of numbers are not validated one by one."""
    return Response(to_json(body), media_type="application/json", headers=dict(headers or {}))
