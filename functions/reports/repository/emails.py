"""The table of e-mails: intended, then sent or failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from functions.reports.repository.tables import emails
from hearth.db import insert_for


@dataclass(frozen=True)
class EmailRow:
    """A stored e-mail; `content` is everything that its bytes are made of."""

    id: str
    report_id: str | None
    digest_date: str | None
    message_id: str
    content: dict[str, Any]
    state: str
    accepted: list[str]
    refused: dict[str, str]
    attempts: int
    error: str | None
    intended_at: datetime
    updated_at: datetime
    finished_at: datetime | None


def record_intent(
    tx: Connection,
    email_id: str,
    *,
    message_id: str,
    content: Mapping[str, Any],
    now: datetime,
    report_id: str | None = None,
    digest_date: str | None = None,
) -> EmailRow:
    """Record that an e-mail is about to be sent, and count the attempt.

    The first call fixes the content, with one exception: the content of an e-mail that failed and
    that no recipient has accepted may change (settings were corrected); its Message-ID may not.
    """
    statement = insert_for(tx.dialect.name)(emails)
    tx.execute(
        statement.on_conflict_do_nothing(index_elements=["id"]),
        {
            "id": email_id,
            "report_id": report_id,
            "digest_date": digest_date,
            "message_id": message_id,
            "content": dict(content),
            "state": "intended",
            "accepted": [],
            "refused": {},
            "attempts": 0,
            "error": None,
            "intended_at": now,
            "updated_at": now,
            "finished_at": None,
        },
    )
    tx.execute(
        update(emails)
        .where(emails.c.id == email_id, emails.c.state == "failed", emails.c.accepted == [])
        .values(content=dict(content), refused={})
    )
    tx.execute(
        update(emails)
        .where(emails.c.id == email_id, emails.c.state != "sent")
        .values(
            state="intended",
            attempts=emails.c.attempts + 1,
            error=None,
            updated_at=now,
            finished_at=None,
        )
    )
    return _email(tx.execute(select(emails).where(emails.c.id == email_id)).one())


def record_result(
    tx: Connection,
    email_id: str,
    *,
    state: str,
    accepted: Collection[str],
    refused: Mapping[str, str],
    error: str | None,
    now: datetime,
) -> None:
    """Record the result of the SMTP session; a `sent` e-mail stays sent."""
    tx.execute(
        update(emails)
        .where(emails.c.id == email_id, emails.c.state != "sent")
        .values(
            state=state,
            accepted=sorted(accepted),
            refused=dict(refused),
            error=error,
            updated_at=now,
            finished_at=None if state == "intended" else now,
        )
    )


def get_email(tx: Connection, email_id: str) -> EmailRow | None:
    row = tx.execute(select(emails).where(emails.c.id == email_id)).one_or_none()
    return None if row is None else _email(row)


def get_email_states(tx: Connection, report_ids: Collection[str]) -> dict[str, str]:
    """Report id to e-mail state, for the reports that have one."""
    query = select(emails.c.report_id, emails.c.state).where(emails.c.report_id.in_(report_ids))
    return {row.report_id: row.state for row in tx.execute(query)}


def _email(row: Row[Any]) -> EmailRow:
    mapping = row._mapping
    return EmailRow(**{name: mapping[name] for name in EmailRow.__dataclass_fields__})
