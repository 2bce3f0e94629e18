"""The rows of a resource: every statement that reads or writes them.

Every method takes the caller's transaction. `actor` is who asks: in the scope `owner` the rows of
others do not exist for them (IDOR).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, select, true, update

from hearth.db import insert_for
from hearth.ledger.unit_of_work import UnitOfWork
from hearth.resource.declaration import Resource
from hearth.resource.filters import Condition, Order, where
from hearth.resource.table import changes, secrets, table_of

Values = dict[str, Any]
KEPT_VERSIONS: Final = 100
KEPT_FOR: Final = timedelta(days=365)
_FORGOTTEN_AT_ONCE: Final = 200
_c = changes.c
_s = secrets.c


class Rows:
    """The rows of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._table = table_of(resource)
        self._t = self._table.c
        self._of_this: ColumnElement[bool] = _s.resource == resource.table

    def _visible(self, actor: str) -> ColumnElement[bool]:
        return self._t.owner_id == actor if self._resource.scope == "owner" else true()

    def get(self, tx: Connection, actor: str, row_id: str) -> Values | None:
        query = select(self._table).where(self._t.id == row_id, self._visible(actor))
        row = tx.execute(query).one_or_none()
        return dict(row._mapping) if row is not None else None

    def count(self, tx: Connection, actor: str) -> int:
        query = select(func.count()).select_from(self._table).where(self._visible(actor))
        return tx.execute(query).scalar_one()

    def ids_by_key(self, tx: Connection, actor: str, keys: Iterable[str]) -> dict[str, str]:
        """Key → id of the rows that have one of `keys`."""
        key = self._key()
        query = select(key, self._t.id).where(key.in_(list(keys)), self._visible(actor))
        return {row[0]: row[1] for row in tx.execute(query)}

    def page(
        self,
        tx: Connection,
        actor: str,
        conditions: Sequence[Condition],
        order: Order,
        after: tuple[Any, str] | None,
        limit: int,
    ) -> list[Values]:
        dialect = tx.dialect.name
        query = (
            select(self._table)
            .where(self._visible(actor), where(conditions, self._table, dialect))
            .order_by(*order.by(self._table, dialect))
            .limit(limit)
        )
        if after is not None:
            query = query.where(order.after(*after, self._table, dialect))
        return [dict(row._mapping) for row in tx.execute(query)]

    def every(self, tx: Connection) -> list[Values]:
        """All rows of all owners, oldest first: for the capability itself, never for a caller."""
        query = select(self._table).order_by(self._t.id)
        return [dict(row._mapping) for row in tx.execute(query)]

    # ---- writes ----

    def insert(self, tx: Connection, rows: Sequence[Values]) -> set[str]:
        """Insert rows; the answer is the ids of those whose key was free."""
        if not rows:
            return set()
        insert = insert_for(tx.dialect.name)(self._table)
        if self._resource.key is None:
            tx.execute(insert, rows)
            return {row["id"] for row in rows}
        # In one order for all: two transactions with the same keys cannot wait for each other.
        name = self._resource.key.name
        ordered = sorted(rows, key=lambda row: str(row[name]))
        # Counted, not RETURNING: that keeps the driver's executemany, which is twice as fast.
        counted = {"preserve_rowcount": True}
        result = tx.execute(insert.on_conflict_do_nothing(), ordered, execution_options=counted)
        ids = {row["id"] for row in rows}
        if result.rowcount == len(rows):
            return ids
        return set(tx.execute(select(self._t.id).where(self._t.id.in_(ids))).scalars())

    def replace(self, tx: Connection, before: Values, after: Values) -> bool:
        """Store the next version; False when somebody else was quicker."""
        changed = {name: value for name, value in after.items() if value != before[name]}
        statement = update(self._table).where(self._same(before)).values(changed)
        return tx.execute(statement).rowcount == 1

    def remove(self, tx: Connection, row: Values) -> bool:
        """Delete a row with its secrets; False when somebody else was quicker."""
        if tx.execute(delete(self._table).where(self._same(row))).rowcount != 1:
            return False
        if self._resource.secrets:
            tx.execute(delete(secrets).where(self._of_this, _s.row_id == row["id"]))
        return True

    def _same(self, row: Values) -> ColumnElement[bool]:
        return and_(self._t.id == row["id"], self._t.version == row["version"])

    def _key(self) -> ColumnElement[str]:
        key = self._resource.key
        if key is None:
            raise TypeError(f"resource {self._resource.name} has no unique field")
        return self._t[key.name]

    # ---- secrets ----

    def secrets(self, tx: Connection, row_id: str | None = None) -> dict[str, dict[str, str]]:
        """Row id → field → secret; of one row, or of all."""
        of_row = _s.row_id == row_id if row_id is not None else true()
        query = select(_s.row_id, _s.field, _s.value).where(self._of_this, of_row)
        found: dict[str, dict[str, str]] = {}
        for owner, field, value in tx.execute(query):
            found.setdefault(owner, {})[field] = value
        return found

    def put_secrets(self, tx: Connection, values: Mapping[str, Mapping[str, str | None]]) -> None:
        """Store secrets (row id → field → value); None deletes one."""
        given = [
            {"resource": self._resource.table, "row_id": row_id, "field": field, "value": value}
            for row_id, fields in values.items()
            for field, value in fields.items()
        ]
        if kept := [row for row in given if row["value"] is not None]:
            insert = insert_for(tx.dialect.name)(secrets)
            statement = insert.on_conflict_do_update(
                index_elements=["resource", "row_id", "field"],
                set_={"value": insert.excluded.value},
            )
            tx.execute(statement, kept)
        for row in given:
            if row["value"] is None:
                one = and_(self._of_this, _s.row_id == row["row_id"], _s.field == row["field"])
                tx.execute(delete(secrets).where(one))

    # ---- history ----

    def record(
        self, work: UnitOfWork, row: Values, action: str, changed: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add to the history of a row; of more than 100 versions the oldest are forgotten."""
        key = {"resource": self._resource.table, "row_id": row["id"], "version": row["version"]}
        entry = {
            "action": action,
            "changed_by": work.actor,
            "changed_at": work.now,
            "changes": list(changed),
        }
        work.tx.execute(insert_for(work.tx.dialect.name)(changes), key | entry)
        if row["version"] > KEPT_VERSIONS:
            mine = and_(_c.resource == self._resource.table, _c.row_id == row["id"])
            oldest = row["version"] - KEPT_VERSIONS
            work.tx.execute(delete(changes).where(mine, _c.version <= oldest))

    def history(
        self, tx: Connection, row_id: str, before: int | None, limit: int
    ) -> Sequence[Row[Any]]:
        """What changed a row, the latest first."""
        query = (
            select(changes)
            .where(_c.resource == self._resource.table, _c.row_id == row_id)
            .order_by(_c.version.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(_c.version < before)
        return tx.execute(query).all()


def forget_changes(tx: Connection, now: datetime) -> None:
    """Delete the oldest changes that are over a year old, a few at a time.

    The rows that exist bound their own history; this bounds what deleted ones left behind.
    """
    key = (_c.resource, _c.row_id, _c.version)
    old = (
        select(*key)
        .where(_c.changed_at < now - KEPT_FOR)
        .order_by(_c.changed_at)
        .limit(_FORGOTTEN_AT_ONCE)
    )
    for resource, row_id, version in tx.execute(old).all():
        one = and_(_c.resource == resource, _c.row_id == row_id, _c.version == version)
        tx.execute(delete(changes).where(one))
