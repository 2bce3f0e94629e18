"""Lives through the table in one place."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tests.image.places.backing import Backing
from tests.image.places.contract import Case
from tests.image.places.place import Place
from tests.image.places.runtime import processes
from tests.support.callers import caller, request_context
from tests.support.events import FOLDER, load_event

FRAME = "frames/gate/20261102T073001.000000Z.jpg"


@dataclass(frozen=True)
class Told:
    """What one place answered.

    Attributes:
        answers: By case, or what went wrong; a case that it was not asked is missing.
        seconds: From opening the place to its last answer.
    """

    answers: Mapping[str, Any]
    seconds: float


def live(place: Place, around: Backing, cases: Sequence[Case]) -> Told:
    """Ask one event after the other; a failure is an answer too."""
    around.client("s3").put_object(Bucket=around.bucket, Key=FRAME, Body=jpeg())
    specs = {spec.short_name: spec for spec in around.template.functions}
    answers: dict[str, Any] = {}
    began = time.monotonic()
    asked: list[Case] = []
    with processes(around) as stand_in, place.open(around) as invoke:
        for case in cases:
            spec = specs[case.function]
            event = event_of(case, spec.handler, around)
            if not place.asks(case, event, asked):
                stand_in(spec, event)
                continue
            asked.append(case)
            try:
                answers[str(case)] = invoke(spec, event)
            except Exception as error:
                answers[str(case)] = {"failed": f"{type(error).__name__}: {error}"}
    return Told(answers, time.monotonic() - began)


def event_of(case: Case, handler: str, around: Backing) -> dict[str, Any]:
    """The event of a case, as it arrives around here."""
    folder = case.function
    if not (FOLDER / folder / f"{case.event}.json").is_file():
        folder = handler.split(".")[1]
    event = load_event(f"{folder}/{case.event}")
    if "ResponseURL" in event:
        event["ResponseURL"] = around.answer_url()
    if "rawPath" in event and case.caller is not None:
        event["requestContext"] |= request_context(caller(case.caller))
    for path, value in case.changes.items():
        *parents, name = path.split(".")
        holder = event
        for parent in parents:
            holder = holder[parent]
        holder[name] = value
    return event


def jpeg() -> bytes:
    """A small picture without anybody on it."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((240, 320, 3), 90, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()
