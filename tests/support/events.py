"""Loads the recorded events of `events/<function>/<source>_<case>.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "events"


def load_event(name: str, **changes: Any) -> dict[str, Any]:
    """A fresh copy of the event `name`, as `function/source_case`.

    Args:
        name: Path below `events/` without its suffix, e.g. `jobs/http_api_summary`.
        changes: Top-level members to replace.
    """
    event: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return event | changes
