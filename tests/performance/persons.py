"""Persons against frames on a real clip: `HEARTH_SHARED=… python tests/performance/persons.py`.

On one-by-one-person-detection.mp4 one person at a time walks through. Every second frame (5 a
second, the watcher's rate) goes through YOLOX-nano and `track`; how many frames show somebody, and
how many persons that makes. Then the same sightings shuffled and doubled, and with frames left out.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from functions.detection.judging.tracks import Sighting, track
from hearth.frames import frame_key
from hearth_vision.detector import DetectorConfig
from hearth_vision.loading import load_detector

START = datetime(2026, 1, 1, tzinfo=UTC)
CONFIDENCE = 0.5
EVERY = 2


def main() -> None:
    folder = os.environ.get("HEARTH_SHARED")
    if not folder:
        sys.exit("HEARTH_SHARED is not set: there are no weights or clips to measure with")
    shared = Path(folder)
    classes = tuple((shared / "models/coco.names").read_text().splitlines())
    detector = load_detector(
        DetectorConfig(shared / "models/yolox_nano.onnx", classes, confidence=CONFIDENCE)
    )
    film = cv2.VideoCapture(str(shared / "data/video/one-by-one-person-detection.mp4"))
    rate = film.get(cv2.CAP_PROP_FPS)
    frames: list[tuple[float, np.ndarray]] = []
    number = 0
    while True:
        more, image = film.read()
        if not more:
            break
        if number % EVERY == 0:
            frames.append((number / rate, image))
        number += 1
    seen: list[Sighting] = []
    crowds: list[int] = []
    answers = detector.detect(image for _, image in frames)
    for (seconds, _), found in zip(frames, answers, strict=True):
        at = START + timedelta(seconds=seconds)
        people = found.select(found.class_ids == 0)
        crowds.append(len(people))
        order = sorted(range(len(people)), key=lambda n: tuple(people.boxes[n]))
        seen += [
            Sighting(
                at,
                frame_key("clip", at),
                place,
                tuple(people.boxes[n].tolist()),
                float(people.scores[n]),
            )
            for place, n in enumerate(order, start=1)
        ]
    print(json.dumps(report(seen, crowds, detector.info.detail), indent=2))


def report(seen: list[Sighting], crowds: list[int], detail: str) -> dict[str, object]:
    people = track("clip", seen)
    again = [*seen, *seen[::3]]
    random.Random(0).shuffle(again)
    # A run of frames with somebody on them, as a person would count at a glance.
    visits = sum(crowd > 0 and not before for before, crowd in zip([0, *crowds], crowds))  # noqa: B905
    return {
        "detail": detail,
        "frames": len(crowds),
        "frames_with_a_person": sum(crowd > 0 for crowd in crowds),
        "most_people_on_a_frame": max(crowds),
        "runs_of_frames_with_a_person": visits,
        "persons": len(people),
        "persons_confirmed": sum(one.confirmed for one in people),
        "confirmed": [
            {
                "from_s": (one.sightings[0].captured_at - START).total_seconds(),
                "to_s": (one.sightings[-1].captured_at - START).total_seconds(),
                "sightings": len(one.sightings),
                "score": round(one.score, 3),
            }
            for one in people
            if one.confirmed
        ],
        "sightings_a_confirmed_person_median": statistics.median(
            [len(one.sightings) for one in people if one.confirmed] or [0]
        ),
        "the_same_when_shuffled_and_doubled": track("clip", again) == people,
        "confirmed_when_only_every_third_frame_is_kept": sum(
            one.confirmed
            for one in track(
                "clip",
                [s for s in seen if round((s.captured_at - START).total_seconds() * 5) % 3 == 0],
            )
        ),
    }


if __name__ == "__main__":
    main()
