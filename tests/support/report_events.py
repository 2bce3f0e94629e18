"""Incident events and images for tests of `reports`."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from typing import Any

from PIL import Image

from functions.reports.schemas import IncidentEvent
from hearth.ids import parse_time
from hearth.ledger.consumer import Deadline
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import NewJob
from tests.support.events import load_event

BUCKET = "memory"
EVIDENCE_KEY = "evidence/01KASVZEBRY4C1W9T6P0X2K8MD.jpg"


@cache
def jpeg(width: int = 320, height: int = 240, mode: str = "RGB") -> bytes:
    """A JPEG with something on it."""
    image = Image.radial_gradient("L").resize((width, height))
    buffer = io.BytesIO()
    image.convert("RGB").convert(mode).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def payload(**changes: Any) -> dict[str, Any]:
    """The recorded v2 event, with evidence in the fake bucket, as it lies in the ledger."""
    event = load_event("reports/event_v2_no_helmet_in_yard")
    event["evidence"] |= {
        "bucket": BUCKET,
        "key": EVIDENCE_KEY,
        "sha256": hashlib.sha256(jpeg()).hexdigest(),
    }
    return event | changes


def violation_job(event: dict[str, Any]) -> NewJob:
    """The job in which `reports` gets it from detection."""
    violation = Event(
        type="safety.violation.detected",
        id=f"{event['incident_id']}:{event['revision']}",
        time=parse_time(event["last_seen"]),
        subject=event["incident_id"],
        data=event,
        version=2,
    )
    (job,) = Publisher("detection", {violation.type: ["reports"]}).jobs(violation)
    return job


def incident(**changes: Any) -> IncidentEvent:
    """The same, validated."""
    return IncidentEvent.model_validate(payload(**changes))


def seconds(remaining: float) -> Deadline:
    """A deadline that stands still at `remaining` seconds."""
    return Deadline(lambda: remaining + 1.0)
