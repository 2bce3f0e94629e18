"""Rows of judged frames, and what they add to their camera's counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.detection.judging.assessment import FrameResult
from functions.detection.judging.verdicts import Verdict

if TYPE_CHECKING:
    from sqlalchemy import Row


def is_stored(row: Row[Any] | None, result: FrameResult, model_id: str) -> bool:
    return row is not None and row.model_id == model_id and row.result == result.result


def frame_row(result: FrameResult, model_id: str, now: datetime) -> dict[str, Any]:
    return {
        "frame_key": result.key,
        "camera_id": result.camera_id,
        "captured_at": result.captured_at,
        "width": result.width,
        "height": result.height,
        "persons": result.persons,
        "compliant": result.counts[Verdict.COMPLIANT],
        "violation": result.counts[Verdict.VIOLATION],
        "indeterminate": result.counts[Verdict.INDETERMINATE],
        "result": result.result,
        "model_id": model_id,
        "error": None,
        "processed_at": now,
    }


def add_to_counters(
    camera: Row[Any],
    fresh: Sequence[FrameResult],
    replaced: Mapping[str, Row[Any]],
    model_id: str,
) -> dict[str, Any]:
    """The camera's counters with `fresh` added and the rows they replace subtracted."""
    old = replaced.values()
    judged = [row for row in old if row.error is None]
    times = [result.captured_at for result in fresh]
    values = {
        "frames": camera.frames + len(fresh) - len(judged),
        "frames_with_person": camera.frames_with_person
        + sum(result.persons > 0 for result in fresh)
        - sum(row.persons > 0 for row in judged),
        "failed": camera.failed - (len(old) - len(judged)),
        "first_frame_at": min([*times, camera.first_frame_at or times[0]]),
        "last_frame_at": max([*times, camera.last_frame_at or times[0]]),
        "model_id": model_id,
    }
    for verdict in Verdict:
        values[verdict.value] = (
            getattr(camera, verdict.value)
            + sum(result.counts[verdict] for result in fresh)
            - sum(getattr(row, verdict.value) for row in judged)
        )
    return values
