"""Assesses one frame: a pure function of its detections, its key and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.detection.judging.association import Box, Boxes, associate
from functions.detection.judging.equipment import Vocabulary
from functions.detection.judging.verdicts import FrameRules, Judged, Verdict, judge
from functions.detection.observations import Observation


@dataclass(frozen=True)
class FrameResult:
    """Everything that is kept of one frame.

    Attributes:
        key: The image's key in the bucket.
        width, height: Pixels.
        counts: People by verdict.
        result: JSON: `detections` (class, confidence, bbox in source pixels, person number,
            violation) and `persons` (verdict, zones, findings, violations).
        observations: What counts towards incidents, by zone (None: the whole image).
    """

    key: str
    camera_id: str
    captured_at: datetime
    width: int
    height: int
    counts: dict[Verdict, int]
    result: dict[str, Any]
    observations: dict[str | None, tuple[Observation, ...]]

    @property
    def persons(self) -> int:
        return sum(self.counts.values())


def assess(
    key: str,
    camera_id: str,
    captured_at: datetime,
    found: Boxes,
    class_names: Sequence[str],
    size: tuple[int, int],
    rules: FrameRules,
) -> FrameResult:
    """Judge one frame.

    Args:
        found: Detections in source pixels, class ids into `class_names`.
        size: (width, height) in pixels.
    """
    words = Vocabulary.of(class_names)
    judged = judge(
        associate(found, words, size),
        words,
        rules.areas,
        size,
        rules.min_score,
        rules.view,
    )
    observations: dict[str | None, list[Observation]] = {}
    for person in judged:
        for violation in person.violations:
            observations.setdefault(violation.zone, []).append(
                Observation(
                    captured_at, key, person.index, violation.class_name, _score(violation.score)
                )
            )
    return FrameResult(
        key=key,
        camera_id=camera_id,
        captured_at=captured_at,
        width=size[0],
        height=size[1],
        counts={verdict: sum(p.verdict == verdict for p in judged) for verdict in Verdict},
        result={
            "detections": _detections(found, class_names, words, judged),
            "persons": [_person(person) for person in judged],
        },
        observations={zone: tuple(seen) for zone, seen in observations.items()},
    )


def _detections(
    found: Boxes, class_names: Sequence[str], words: Vocabulary, judged: Sequence[Judged]
) -> list[dict[str, Any]]:
    """The boxes that mean something here; cars and dogs are left out."""
    owner: dict[int, Judged] = {}
    for one in judged:
        if one.person.detection is not None:
            owner[one.person.detection] = one
        owner.update((thing.detection, one) for thing in one.person.equipment)
    listed = []
    for index, (box, score, class_id) in enumerate(
        zip(found.boxes, found.scores, found.class_ids, strict=True)
    ):
        role = words.roles[class_id]
        if role is None:
            continue
        one_or_none = owner.get(index)
        against = one_or_none is not None and bool(one_or_none.violations)
        listed.append(
            {
                "class_name": class_names[class_id],
                "confidence": _score(score),
                "bbox": _pixels((box[0], box[1], box[2], box[3])),
                "person": one_or_none.index if one_or_none else None,
                "violation": against if role.item is None else against and not role.present,
            }
        )
    return listed


def _person(judged: Judged) -> dict[str, Any]:
    return {
        "index": judged.index,
        "verdict": judged.verdict.value,
        "confidence": _score(judged.person.score),
        "bbox": _pixels(judged.person.box),
        "seen": judged.person.detection is not None,
        "zones": list(judged.zones),
        "findings": [
            {
                "item": finding.item.value,
                "state": finding.state,
                "confidence": _score(finding.score),
                "reason": finding.reason,
            }
            for finding in judged.findings
        ],
        "violations": [
            {
                "zone": violation.zone,
                "class_name": violation.class_name,
                "confidence": _score(violation.score),
                "inferred": violation.inferred,
            }
            for violation in judged.violations
        ],
    }


# Float32 carries seven digits, of which runs on other processors agree in about four.
def _score(value: float) -> float:
    return round(float(value), 4)


def _pixels(box: Box) -> list[float]:
    return [round(float(value), 1) for value in box]
