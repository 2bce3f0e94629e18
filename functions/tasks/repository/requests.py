"""Answers to requests with an Idempotency-Key, for as long as the request may be repeated."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_, update

from functions.tasks.repository.tables import requests
from hearth.db import insert_for

_r = requests.c
_FORGOTTEN_AT_ONCE = 20


class Kept(NamedTuple):
    """What is known of an earlier request with the same key."""

    request_sha256: str
    response: str | None


def claim(
    tx: Connection,
    principal_id: str,
    key: str,
    request_sha256: str,
    now: datetime,
    expired_before: datetime,
) -> Kept | None:
    """Take the key; None when it is ours now, else what the request that had it first was.

    Another transaction that has the key is waited for.
    """
    old = (
        select(_r.principal_id, _r.key)
        .where(_r.created_at < expired_before)
        .order_by(_r.created_at)
        .limit(_FORGOTTEN_AT_ONCE)
    )
    if expired := tx.execute(old).all():
        tx.execute(
            delete(requests).where(tuple_(_r.principal_id, _r.key).in_(list(map(tuple, expired))))
        )
    row = {
        "principal_id": principal_id,
        "key": key,
        "request_sha256": request_sha256,
        "response": None,
        "created_at": now,
    }
    insert = insert_for(tx.dialect.name)(requests)
    taken = tx.execute(
        insert.on_conflict_do_update(
            index_elements=["principal_id", "key"],
            set_={
                name: insert.excluded[name] for name in ("request_sha256", "response", "created_at")
            },
            where=_r.created_at < expired_before,
        ).returning(_r.key),
        row,
    ).scalar_one_or_none()
    if taken is not None:
        return None
    mine = (_r.principal_id == principal_id) & (_r.key == key)
    return Kept(*tx.execute(select(_r.request_sha256, _r.response).where(mine)).one())


def keep(tx: Connection, principal_id: str, key: str, response: str) -> None:
    """Keep the answer, in the transaction of what it tells."""
    tx.execute(
        update(requests)
        .where(_r.principal_id == principal_id, _r.key == key)
        .values(response=response)
    )
