"""An incident with its continuations, as one: what the report and the last alert tell.

An episode is cut after `max_s`, so that a report comes while something still goes on. The part
after the cut has a row of its own, linked to the first one and counted with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.detection.incidents.episodes import ClassSummary
from functions.detection.incidents.event import describe_violations
from functions.detection.incidents.recording import class_summaries
from functions.detection.schemas import EndReason, ViolationClass

if TYPE_CHECKING:
    from sqlalchemy import Row


@dataclass(frozen=True)
class WholeIncident:
    """The facts of an incident and all that continues it.

    Attributes:
        root: The row of its first part.
        revision: Grows with each part that ends, each revision of one and each review.
        continuations: Ids of the other parts, in order of time.
    """

    root: Row[Any]
    revision: int
    last_seen: datetime
    end_reason: EndReason
    frames: int
    persons_max: int
    violations: tuple[ViolationClass, ...]
    continuations: tuple[str, ...]


def merge_parts(
    ended: Sequence[Row[Any]], gone: Sequence[Row[Any]], reasons: dict[str, EndReason], reviews: int
) -> WholeIncident:
    """One incident of its parts.

    Args:
        ended: The parts that have ended, in order of time; the first one is the incident's own.
        gone: Parts that were reported and then became part of others; their revisions count on.
        reasons: Why each part ended.
        reviews: How often people reviewed it.
    """
    root, last = ended[0], ended[-1]
    return WholeIncident(
        root=root,
        revision=sum(row.revision for row in (*ended, *gone)) + reviews,
        last_seen=max(row.last_seen for row in ended),
        end_reason=reasons[last.id],
        frames=sum(row.frames for row in ended),
        persons_max=max(row.persons_max for row in ended),
        violations=describe_violations(_merge_classes(ended)),
        continuations=tuple(row.id for row in ended[1:]),
    )


def _merge_classes(parts: Sequence[Row[Any]]) -> list[ClassSummary]:
    """Classes of all parts. The confidence is the mean of the parts' medians, by observations."""
    found: defaultdict[str, list[ClassSummary]] = defaultdict(list)
    for row in parts:
        for one in class_summaries(row.classes):
            found[one.class_name].append(one)
    merged = []
    for name, several in sorted(found.items()):
        observations = sum(one.observations for one in several)
        weighted = sum(one.confidence * one.observations for one in several)
        merged.append(
            ClassSummary(
                class_name=name,
                confidence=round(weighted / observations, 4),
                peak_confidence=max(one.peak_confidence for one in several),
                observations=observations,
                first_seen=min(one.first_seen for one in several),
                last_seen=max(one.last_seen for one in several),
            )
        )
    return merged
