"""How the free room of a stack's disk has changed, so that `hearth doctor` can look ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hearth_runtime.records import JsonRecords

HISTORY_FILE = "disk.json"
_EVERY = timedelta(hours=1)
_KEPT = 48
# Frames come by day and hardly by night: less than this says nothing about a rate.
_LEAST_SPAN = timedelta(hours=6)


class DiskHistory:
    """One sample an hour, of the last two days."""

    def __init__(self, data: Path) -> None:
        self._records = JsonRecords(data / HISTORY_FILE)

    def note(self, now: datetime, free: int) -> None:
        """Take a sample of `free` bytes, if it is time for one. Raises OSError."""
        samples = self._samples()
        # A clock that was set back must not keep samples of the future.
        samples = [sample for sample in samples if sample[0] <= now][-_KEPT + 1 :]
        if not samples or now - samples[-1][0] >= _EVERY:
            samples.append((now, free))
            self._records.save({"free": [[when.isoformat(), size] for when, size in samples]})

    def days_left(self, now: datetime, free: int) -> float | None:
        """Days until the disk is full at the rate of the samples; None where it does not fill up,
        or too little is known."""
        for when, size in self._samples():
            if now - when < _LEAST_SPAN:
                return None
            if now - when <= _EVERY * (_KEPT + 1):
                used = size - free
                return free / used * ((now - when) / timedelta(days=1)) if used > 0 else None
        return None

    def _samples(self) -> list[tuple[datetime, int]]:
        found: list[tuple[datetime, int]] = []
        records: Any = self._records.load().get("free")
        for item in records if isinstance(records, list) else []:
            try:
                when, size = item
                found.append((datetime.fromisoformat(when), int(size)))
            except (TypeError, ValueError):
                continue
        return [sample for sample in found if sample[0].tzinfo is not None]
