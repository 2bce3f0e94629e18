"""The tables of saved models and of their promotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from functions.clustering.repository.tables import models_table, promotions_table
from hearth.db import insert_for
from hearth.ids import format_time

_m = models_table.c
_p = promotions_table.c


def add(tx: Connection, manifest: Mapping[str, Any], created_at: datetime) -> None:
    """Insert a model's manifest, unless its id exists."""
    insert = insert_for(tx.dialect.name)(models_table)
    tx.execute(
        insert.on_conflict_do_nothing(index_elements=["id"]),
        {
            "id": manifest["model_id"],
            "name": manifest["name"],
            "manifest": dict(manifest),
            "created_at": created_at,
        },
    )


def get(tx: Connection, model_id: str) -> Mapping[str, Any] | None:
    """Find a model's manifest."""
    found: Mapping[str, Any] | None = tx.execute(
        select(_m.manifest).where(_m.id == model_id)
    ).scalar_one_or_none()
    return found


def page(
    tx: Connection, name: str | None, before: str | None, limit: int
) -> list[Mapping[str, Any]]:
    """List manifests, newest first, after the id `before`."""
    query = select(_m.manifest).order_by(_m.id.desc()).limit(limit)
    if name is not None:
        query = query.where(_m.name == name)
    if before is not None:
        query = query.where(_m.id < before)
    return list(tx.execute(query).scalars())


def count(tx: Connection) -> int:
    """Count the models."""
    return tx.execute(select(func.count()).select_from(models_table)).scalar_one()


def remove(tx: Connection, model_id: str) -> None:
    """Delete a model and its promotions."""
    tx.execute(delete(promotions_table).where(_p.model_id == model_id))
    tx.execute(delete(models_table).where(_m.id == model_id))


# ---- names ----


def promoted(tx: Connection, names: Sequence[str] | None = None) -> dict[str, str]:
    """Return the id of the promoted model of each name, or of some names."""
    newest = select(func.max(_p.id)).where(_p.withdrawn_at.is_(None)).group_by(_p.name)
    if names is not None:
        newest = newest.where(_p.name.in_(list(names)))
    query = select(_p.name, _p.model_id).where(_p.id.in_(newest)).order_by(_p.name)
    return {row.name: row.model_id for row in tx.execute(query)}


def promote(tx: Connection, name: str, model_id: str, who: str, now: datetime) -> None:
    """Promote a model to a name."""
    tx.execute(
        promotions_table.insert(),
        {
            "id": f"{format_time(now)}/{model_id}",  # sorts by time
            "name": name,
            "model_id": model_id,
            "promoted_at": now,
            "promoted_by": who,
        },
    )


def withdraw(tx: Connection, name: str, model_id: str, who: str, now: datetime) -> None:
    """Withdraw the newest promotion of a name if it is that of `model_id`."""
    newest = (
        select(func.max(_p.id)).where(_p.name == name, _p.withdrawn_at.is_(None)).scalar_subquery()
    )
    tx.execute(
        update(promotions_table)
        .where(_p.id == newest, _p.model_id == model_id)
        .values(withdrawn_at=now, withdrawn_by=who)
    )
