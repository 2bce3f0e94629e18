"""Jobs of this function, what they carry, and what a message says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from functions.notifications.notices import MAX_TITLE, Notice
from functions.notifications.schemas import MessageContent, Told
from hearth.errors import InvalidInput
from hearth.ids import format_time
from hearth.ledger.events import Event
from hearth.ledger.ledger import NewJob
from hearth.text import clean

QUEUE: Final = "notifications"
SEND: Final = "notifications.send"
DIGEST: Final = "notifications.digest"
SEND_ATTEMPTS: Final = 30
"""Over an hour with the ledger's back-off: an outage of a provider, or of the line, passes."""

Payload = TypeVar("Payload", bound=BaseModel)


def send_job(message_id: str) -> NewJob:
    """The job that sends one message over its channel."""
    return NewJob(
        SEND,
        QUEUE,
        send_key(message_id),
        {"message_id": message_id},
        max_attempts=SEND_ATTEMPTS,
    )


def send_key(message_id: str) -> str:
    return f"notify:send:{message_id}"


def digest_job(channel: str, until: datetime) -> NewJob:
    """The job that gathers what waits on a channel until then."""
    return NewJob(
        DIGEST,
        QUEUE,
        f"notify:digest:{channel}:{format_time(until)}",
        {"channel": channel, "until": format_time(until)},
        available_at=until,
    )


def read_payload(model: type[Payload], payload: Mapping[str, Any], what: str) -> Payload:
    """A job's payload as `model`.

    Raises:
        InvalidInput: Not one.
    """
    try:
        return model.model_validate_json(json.dumps(dict(payload)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{what} is not valid: {where}: {first['msg']}") from error


def single_content(event: Event, notice: Notice) -> MessageContent:
    """A message about one event."""
    told = Told(
        type=event.type,
        id=event.id,
        subject=event.subject,
        time=event.time,
        title=notice.title,
        lines=notice.lines,
        details=dict(notice.details),
    )
    return MessageContent(title=notice.title, total=1, told=(told,))


def digest_content(total: int, told: Sequence[Told], site_name: str) -> MessageContent:
    """A message about `total` events, of which `told` are the first; one alone is itself."""
    if total == 1:
        return MessageContent(title=told[0].title, total=1, told=tuple(told))
    at = f" at {clean(site_name)}" if site_name else ""
    title = f"{total:,} notifications{at}"[:MAX_TITLE]
    return MessageContent(title=title, total=total, told=tuple(told))
