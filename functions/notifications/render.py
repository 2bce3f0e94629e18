"""Messages as text and HTML; the same content always gives the same characters."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any, Final

from functions.notifications.schemas import MessageContent, Told
from hearth.ids import format_time

FOOTER: Final = "Sent by Hearth. Pictures and reports stay on the site; this message holds none."


def plain(content: MessageContent, longest: int | None = None) -> str:
    """Title and lines as text.

    Args:
        content: What to say.
        longest: Most characters; what is over is cut at a line.
    """
    lines = [content.title]
    for told in content.told:
        if content.total > 1:
            lines += ["", told.title]
        lines += told.lines
    if _left_out(content):
        lines += ["", _left_out(content)]
    text = "\n".join(lines)
    if longest is None or len(text) <= longest:
        return text
    return text[: longest - 2].rpartition("\n")[0] + "\n…"


def html(content: MessageContent) -> str:
    """The same for mail readers that show HTML; nothing is fetched by it."""
    parts = [_section(content, told) for told in content.told]
    if _left_out(content):
        parts.append(f"<p>{escape(_left_out(content))}</p>")
    return (
        '<!doctype html><html><head><meta charset="utf-8"><title>'
        f"{escape(content.title)}</title></head><body><h2>{escape(content.title)}</h2>"
        f"{''.join(parts)}<p><small>{escape(FOOTER)}</small></p></body></html>\n"
    )


def machine(content: MessageContent, message_id: str, created_at: datetime) -> dict[str, Any]:
    """The same for programs: a body as Standard Webhooks recommends it."""
    return {
        "type": content.told[0].type if content.total == 1 else "notifications.digest",
        "timestamp": format_time(created_at),
        "data": {
            "id": message_id,
            "title": content.title,
            "total": content.total,
            "events": [_event(told) for told in content.told],
        },
    }


def _section(content: MessageContent, told: Told) -> str:
    heading = f"<h3>{escape(told.title)}</h3>" if content.total > 1 else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in told.lines)
    return f"{heading}<ul>{items}</ul>" if items else heading


def _left_out(content: MessageContent) -> str:
    more = content.total - len(content.told)
    return f"and {more:,} more" if more else ""


def _event(told: Told) -> dict[str, Any]:
    return {
        "type": told.type,
        "id": told.id,
        "subject": told.subject,
        "time": format_time(told.time),
        "title": told.title,
        "lines": list(told.lines),
        "details": told.details,
    }
