"""Short ways to write frames in tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from functions.detection.judging.association import Box, Person, associate
from functions.detection.judging.equipment import Vocabulary
from functions.detection.judging.verdicts import Judged, judge
from functions.detection.policy import CameraRules, parse_policy

PPE = (
    "helmet",
    "gloves",
    "vest",
    "boots",
    "goggles",
    "none",
    "Person",
    "no_helmet",
    "no_goggle",
    "no_gloves",
    "no_boots",
)
"""The public Construction-PPE classes."""
COCO = ("person", "bicycle", "car")
SIZE = (640, 480)
STANDING: Box = (200.0, 100.0, 300.0, 400.0)
HEAD: Box = (230.0, 100.0, 270.0, 145.0)
TORSO: Box = (210.0, 150.0, 290.0, 260.0)


@dataclass
class Found:
    """Detections as lists; `add` returns itself."""

    names: tuple[str, ...] = PPE
    boxes: list[list[float]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    class_ids: list[int] = field(default_factory=list)

    def add(self, name: str, box: Box, score: float = 0.9) -> Found:
        self.boxes.append(list(box))
        self.scores.append(score)
        self.class_ids.append(self.names.index(name))
        return self

    def people(self) -> list[Person]:
        return associate(self, Vocabulary.of(self.names), SIZE)

    def judged(self, policy: str = "", camera: str = "gate") -> list[Judged]:
        rules: CameraRules = parse_policy(policy.encode()).rules(camera)
        from datetime import UTC, datetime
        from zoneinfo import ZoneInfo

        areas = rules.areas(datetime(2026, 11, 2, 12, tzinfo=UTC), ZoneInfo("UTC"))
        return judge(self.people(), Vocabulary.of(self.names), areas, SIZE, rules.min_score)


def moved(box: Box, dx: float = 0, dy: float = 0) -> Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy
