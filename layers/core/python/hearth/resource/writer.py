"""How a row is written: checked, stored with its secrets, recorded in its history and published.

Every method takes the caller's unit of work; all of it is stored together or not at all. One that
raises has stored nothing, so that of many rows in one transaction some may fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from hearth.db import encode_json
from hearth.errors import (
    CallerError,
    Conflict,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from hearth.ids import format_time, new_ulid
from hearth.ledger.events import Event
from hearth.ledger.unit_of_work import UnitOfWork
from hearth.resource.declaration import Json, Resource
from hearth.resource.models import ResourceChanged
from hearth.resource.rows import Rows, Values

_ATTEMPTS: Final = 10

Prepare = Callable[[Values, Values | None], None]
"""`prepare(values, before)` checks a row before it is written, and sets its derived fields.

`values` is the whole row as it would be stored, with the secrets that this request gives; `before`
is the row as it is, None for a new one. It raises `InvalidInput` or `Conflict`, and may run again.
"""
Results = list[Values | CallerError]
"""A row, or why there is none, in the order of what was asked for."""
Versions = frozenset[int] | None
"""The versions that a caller is content to change; None: whichever there is."""


class RowWriter:
    """Creates, changes and deletes rows of a resource."""

    def __init__(self, resource: Resource, rows: Rows, prepare: Prepare | None) -> None:
        self._resource = resource
        self._rows = rows
        self._prepare = prepare
        self._key = resource.key
        self._secrets = resource.secrets
        self._json_fields = [field for field in resource.fields if isinstance(field, Json)]
        self._given = [field.name for field in resource.fields if not field.derived]

    def insert(self, work: UnitOfWork, items: Sequence[Values]) -> Results:
        """Insert rows of the actor; in the place of each that was rejected stands why."""
        room = self._resource.max_rows - self._rows.count(work.tx, work.actor)
        made: Results = []
        secrets: dict[str, Values] = {}
        for values in items:
            row = values | {
                "id": new_ulid(),
                "owner_id": work.actor,
                "version": 1,
                "created_at": work.now,
                "updated_at": work.now,
            }
            try:
                if room <= len(secrets):
                    raise self._full()
                secrets[row["id"]] = self._checked(row, None)
                made.append(row)
            except CallerError as error:
                made.append(error)
        inserted = self._rows.insert(work.tx, [row for row in made if isinstance(row, dict)])
        self._rows.put_secrets(
            work.tx, {row_id: secrets[row_id] for row_id in secrets if row_id in inserted}
        )
        result = [
            row if isinstance(row, CallerError) or row["id"] in inserted else self._taken(row)
            for row in made
        ]
        created = [row for row in result if isinstance(row, dict)]
        self._emit(work, "created", created, self._given)
        return result

    def change(self, work: UnitOfWork, row_id: str, given: Values, expected: Versions) -> Values:
        """Store the next version of a row; the same one when nothing is different.

        Raises:
            NotFound, PreconditionFailed: There is no such row, or none with that version.
            InvalidInput, Conflict: The capability's rules, or a key that is taken.
        """
        for _ in range(_ATTEMPTS):
            before = self._seen(work, row_id, expected)
            row: Values = before | given
            secrets = self._checked(row, before)
            if secrets:
                known = self._rows.secrets(work.tx, row_id).get(row_id, {})
                secrets = {k: value for k, value in secrets.items() if value != known.get(k)}
            changed = [name for name, value in row.items() if value != before[name]]
            if not changed and not secrets:
                return before
            self._check_change(work, row, before)
            after = row | {"version": before["version"] + 1, "updated_at": work.now}
            if not self._rows.replace(work.tx, before, after):
                continue  # another request was quicker: read the row again
            self._rows.put_secrets(work.tx, {row_id: secrets})
            entries = [
                *({"field": k, "old": _json(before[k]), "new": _json(after[k])} for k in changed),
                *({"field": name} for name in secrets),
            ]
            self._rows.record(work, after, "updated", entries)
            self._emit(work, "updated", [after], [*changed, *secrets])
            return after
        raise self._contended(row_id)

    def remove(self, work: UnitOfWork, row_id: str, expected: Versions) -> Values:
        """Delete a row; the answer is the row as it was.

        Raises:
            NotFound, PreconditionFailed: There is no such row, or none with that version.
        """
        for _ in range(_ATTEMPTS):
            row = self._seen(work, row_id, expected)
            if not self._rows.remove(work.tx, row):
                continue
            last = [
                {"field": name, "old": _json(value)}
                for name, value in row.items()
                if name not in ("id", "version", "updated_at")
            ]
            deleted = row | {"version": row["version"] + 1}
            self._rows.record(work, deleted, "deleted", last)
            self._emit(work, "deleted", [deleted], [])
            return row
        raise self._contended(row_id)

    def _seen(self, work: UnitOfWork, row_id: str, expected: Versions) -> Values:
        row = self.found(self._rows.get(work.tx, work.actor, row_id), row_id)
        if expected is not None and row["version"] not in expected:
            raise PreconditionFailed(
                f"{self._words(row_id)} has version {row['version']} by now; "
                "read it again before changing it"
            )
        return row

    def _checked(self, row: Values, before: Values | None) -> Values:
        """Let the capability check a row; takes its secrets out of it."""
        if self._prepare is not None:
            self._prepare(row, before)
        secrets = {name: row.pop(name) for name in self._secrets & row.keys()}
        for field in self._json_fields:
            size = len(encode_json(row[field.name]))
            if size > field.max_bytes:
                raise InvalidInput(
                    f"{field.name} must have at most {field.max_bytes} bytes, not {size}"
                )
        return (
            secrets if before is not None else {k: v for k, v in secrets.items() if v is not None}
        )

    def _check_change(self, work: UnitOfWork, row: Values, before: Values) -> None:
        for field in self._resource.fields:
            if field.fixed and row[field.name] != before[field.name]:
                raise InvalidInput(f"{field.name} must stay {before[field.name]!r}")
        key = self._key.name if self._key is not None else "id"
        # Looked up beforehand: a broken constraint would end the whole transaction.
        if row[key] != before[key] and self._rows.ids_by_key(work.tx, work.actor, [row[key]]):
            raise self._taken(row)

    def _emit(
        self, work: UnitOfWork, action: str, rows: Sequence[Values], changed: Sequence[str]
    ) -> None:
        if self._resource.events is None or not rows:
            return
        # The model once, and of each row what differs: a bulk call publishes a hundred.
        common = ResourceChanged(
            id="",
            owner_id="",
            version=1,
            changed=list(changed),
            changed_by=work.actor,
            changed_at=work.now,
        ).model_dump(mode="json")
        work.emit(
            *(
                Event(
                    type=f"{self._resource.events}.{action}",
                    id=f"{row['id']}:{row['version']}",
                    time=work.now,
                    subject=row["id"],
                    data=common | {name: row[name] for name in ("id", "owner_id", "version")},
                )
                for row in rows
            )
        )

    def found(self, row: Values | None, row_id: str) -> Values:
        """`row` itself.

        Raises:
            NotFound: It is none.
        """
        if row is None:
            raise NotFound(f"{self._words(row_id)} does not exist")
        return row

    def _taken(self, row: Values) -> Conflict:
        key = self._key.name if self._key is not None else "id"
        return Conflict(f"{self._resource.words} {row[key]!r} exists already")

    def _full(self) -> Conflict:
        plural = self._resource.plural.replace("_", " ")
        return Conflict(f"there are {self._resource.max_rows} {plural}; delete some first")

    def _contended(self, row_id: str) -> Unavailable:
        return Unavailable(f"{self._words(row_id)} is changed by many at once; try again")

    def _words(self, row_id: str) -> str:
        return f"{self._resource.words} {row_id[:40]}"


def _json(value: Any) -> Any:
    return format_time(value) if isinstance(value, datetime) else value
