"""Renders messages as text, HTML and JSON; the same content always gives the same bytes."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any, Final

from functions.notifications.schemas import EventSummary, MessageContent
from hearth.ids import format_time

FOOTER: Final = "Sent by Hearth. Images and reports stay on the site; this message contains none."
IMAGE_FOOTER: Final = "Sent by Hearth. Faces that were found on the image are blurred."


def render_text(content: MessageContent, longest: int | None = None) -> str:
    """Render title and lines as text, cut at a line to at most `longest` characters."""
    lines = [content.title]
    for event in content.events:
        if content.total > 1:
            lines += ["", event.title]
        lines += event.lines
    if _left_out(content):
        lines += ["", _left_out(content)]
    text = "\n".join(lines)
    if longest is None or len(text) <= longest:
        return text
    return text[: longest - 2].rpartition("\n")[0] + "\n…"


def render_html(content: MessageContent, footer: str = FOOTER) -> str:
    """Render a page that loads nothing from elsewhere."""
    parts = [_section(content, event) for event in content.events]
    if _left_out(content):
        parts.append(f"<p>{escape(_left_out(content))}</p>")
    return (
        '<!doctype html><html><head><meta charset="utf-8"><title>'
        f"{escape(content.title)}</title></head><body><h2>{escape(content.title)}</h2>"
        f"{''.join(parts)}<p><small>{escape(footer)}</small></p></body></html>\n"
    )


def render_json(content: MessageContent, message_id: str, created_at: datetime) -> dict[str, Any]:
    """Render a body for programs, as Standard Webhooks recommends it."""
    return {
        "type": content.events[0].type if content.total == 1 else "notifications.digest",
        "timestamp": format_time(created_at),
        "data": {
            "id": message_id,
            "title": content.title,
            "total": content.total,
            "events": [_event(event) for event in content.events],
        },
    }


def _section(content: MessageContent, event: EventSummary) -> str:
    heading = f"<h3>{escape(event.title)}</h3>" if content.total > 1 else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in event.lines)
    return f"{heading}<ul>{items}</ul>" if items else heading


def _left_out(content: MessageContent) -> str:
    more = content.total - len(content.events)
    return f"and {more:,} more" if more else ""


def _event(event: EventSummary) -> dict[str, Any]:
    return {
        "type": event.type,
        "id": event.id,
        "subject": event.subject,
        "time": format_time(event.time),
        "title": event.title,
        "lines": list(event.lines),
        "details": event.details,
    }
