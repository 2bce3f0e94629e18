"""Messages of the queue: domain events, and foreign bodies: incidents (v2) and violations (v1).

v1 is one violation seen once by a system without tracking, hashes or time zones. It is translated
into v2, and the report's notes list what v1 does not contain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from functions.reports.schemas import CreatedTask, IncidentEvent, Name, Pixel, Sentence, Unit
from hearth.errors import InvalidInput
from hearth.ids import ulid_from
from hearth.ledger.events import Event, Publisher, received
from hearth.ledger.ledger import NewJob
from hearth.parsing import invalid_input, parse_model

INCIDENT = "safety.violation.detected"
TASK_CREATED = "task.created"
REPORT_READY = "safety.report.ready"
EMAIL = "reports.email"
DIGEST = "reports.digest"
QUEUE = "reports"
# The event of a foreign message goes to this function alone; that of its report goes to all.
_FOREIGN = Publisher("foreign", {INCIDENT: [QUEUE]})


class ViolationMessageV1(BaseModel):
    """The SQS body of the original safety officer (contracts, section 13)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    timestamp: datetime
    class_name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    confidence: Unit
    description: Sentence = ""
    osha_regulation: Name | None = None
    bbox: Annotated[list[Pixel], Field(min_length=4, max_length=4)] | None = None
    image_s3_url: Annotated[str, StringConstraints(max_length=2_048)] | None = None
    camera_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "unknown"
    site_location: Name | None = None
    site_name: Name | None = None
    company_name: Name | None = None


def job_from_body(body: Mapping[str, Any]) -> NewJob:
    """Return the job of a foreign message.

    Raises:
        InvalidInput: The message is neither a v2 event nor a v1 violation.
    """
    if "schema_version" in body:
        return incident_job(read_incident(body))
    if "class_name" not in body:
        raise InvalidInput(
            "the message is neither an incident event (schema_version 2) nor a violation "
            f"(class_name); its fields are {_fields(body)}"
        )
    digest = hashlib.sha256(
        json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
    return incident_job(_from_v1(body, digest))


def incident_job(event: IncidentEvent) -> NewJob:
    """Return the job of the same domain event, so that a repeat of either is dropped."""
    (job,) = _FOREIGN.jobs(
        Event(
            type=INCIDENT,
            id=f"{event.incident_id}:{event.revision}",
            time=event.last_seen,
            subject=event.incident_id,
            data=event.model_dump(mode="json"),
            version=event.schema_version,
        )
    )
    return job


def read_event(payload: Mapping[str, Any]) -> IncidentEvent:
    """Read the incident of a job's domain event.

    Raises:
        InvalidInput: The event is not valid; `details` names each invalid field.
    """
    return read_incident(received(payload).data)


def read_incident(data: Mapping[str, Any]) -> IncidentEvent:
    """Validate an incident event, version 2.

    Raises:
        InvalidInput: The event is not valid; `details` names each invalid field.
    """
    return parse_model(IncidentEvent, data, "the incident event")


def read_task(payload: Mapping[str, Any]) -> CreatedTask:
    """Read the task of a job's domain event.

    Raises:
        InvalidInput: The event is not valid; `details` names each invalid field.
    """
    return parse_model(CreatedTask, received(payload).data, "the task.created event")


def _from_v1(body: Mapping[str, Any], digest: str) -> IncidentEvent:
    try:
        message = ViolationMessageV1.model_validate_json(json.dumps(body))
        return _as_event(message, digest)
    except ValidationError as error:
        raise invalid_input("the violation message (v1)", error) from error
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"timestamp {body.get('timestamp')!r:.80} is out of range") from error


def _as_event(message: ViolationMessageV1, digest: str) -> IncidentEvent:
    notes = ["message v1: one observation, no tracking, no hash of the picture, model not named"]
    when = message.timestamp
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
        notes.append("the message's time had no zone and was read as UTC")
    when = when.astimezone(UTC)
    box = message.bbox
    return IncidentEvent.model_validate(
        {
            "schema_version": 2,
            "event_id": ulid_from(when, "event", digest),
            "incident_id": ulid_from(when, "v1", digest),
            "revision": 1,
            "camera_id": message.camera_id,
            "site": {
                "site_name": message.site_name or "",
                "site_location": message.site_location or "",
                "company_name": message.company_name or "",
            },
            "first_seen": when,
            "last_seen": when,
            "violations": [
                {
                    "class_name": message.class_name,
                    "description": message.description,
                    "osha_regulation": message.osha_regulation,
                    "confidence": message.confidence,
                    "peak_confidence": message.confidence,
                    "observations": 1,
                    "first_seen": when,
                    "last_seen": when,
                }
            ],
            "peak": {
                "captured_at": when,
                "detections": [
                    {
                        "class_name": message.class_name,
                        "confidence": message.confidence,
                        "bbox": box,
                        "violation": True,
                    }
                ]
                if box
                else [],
            },
            "evidence": _evidence(message.image_s3_url),
            "model": {"name": "", "notes": notes},
        }
    )


def _evidence(url: str | None) -> dict[str, str] | None:
    """Split an s3:// URL into bucket and key. Other addresses keep their scheme and host as bucket.

    No bucket has such a name, so the report names the image and never fetches it.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return {"bucket": "(unreadable address)", "key": url[:1_000]}
    key = unquote(parts.path.lstrip("/"))[:1_024] or "(none)"
    if parts.scheme == "s3":
        return {"bucket": parts.netloc[:255], "key": key}
    return {"bucket": f"{parts.scheme}://{parts.hostname or ''}"[:255], "key": key}


def _fields(body: Mapping[str, Any]) -> str:
    return ", ".join(sorted(body))[:200] or "none"
