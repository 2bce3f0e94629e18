"""The corrective task of a safety report: title, description and priority."""

from __future__ import annotations

import re
from typing import Final

from functions.tasks.schemas import MAX_DESCRIPTION, PriorityName, SafetyReport, TaskIn

CATEGORY: Final = "safety"
ESCALATED: Final = "escalated"
DISMISSED: Final = "dismissed"
_URGENT: Final = ("fall", "fire", "smoke", "collapse")
_HIGH: Final = frozenset({"no_helmet", "no_hardhat", "no_harness"})
_MANY_CLASSES: Final = 3
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MAX_TITLE: Final = 200


def corrective_task(report: SafetyReport) -> TaskIn:
    """Return the task that asks for the corrective actions of a report."""
    where = report.zone or report.camera_id
    what = ", ".join(name.replace("_", " ") for name in report.classes) or "violation"
    title = " ".join(_clean(f"Safety: {what} at {where}").split())[:_MAX_TITLE]
    parts = [report.summary]
    if report.corrective_actions:
        parts.append(
            "Corrective actions:\n" + "\n".join(f"- {a}" for a in report.corrective_actions)
        )
    if report.site_name:
        parts.append(f"Site: {report.site_name}")
    text = _clean("\n\n".join(part for part in parts if part))
    return TaskIn(
        title=title.strip(),
        description=text[:MAX_DESCRIPTION],
        priority="urgent" if report.review == ESCALATED else priority_of(report.classes),
        category=CATEGORY,
    )


def priority_of(classes: list[str]) -> PriorityName:
    """Return the priority of violations: danger to life, then to the head, then the rest."""
    names = [name.lower() for name in classes]
    if any(word in name for name in names for word in _URGENT):
        return "urgent"
    return "high" if _HIGH & set(names) or len(set(names)) >= _MANY_CLASSES else "medium"


def _clean(text: str) -> str:
    return _CONTROL.sub("", text)
