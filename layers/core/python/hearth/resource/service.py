"""The nine operations on a resource: create, read, update, delete, list, and four in bulk.

Each write is one transaction: the row, its secrets, its history and its events are stored together
or not at all. A capability adds its rules with one hook, `prepare`, and keeps no plumbing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from hearth.db import encode_json
from hearth.errors import (
    CallerError,
    Conflict,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from hearth.idempotency import IdempotentRequest, IdempotentRequests
from hearth.ids import format_time, new_ulid
from hearth.ledger.events import Event
from hearth.ledger.ledger import Ledger
from hearth.ledger.unit_of_work import UnitOfWork
from hearth.paging import decode_cursor, encode_cursor
from hearth.resource import declaration as declared
from hearth.resource.declaration import Resource
from hearth.resource.filters import (
    cursor_after,
    fingerprint,
    parse_filter,
    parse_order,
    read_cursor,
)
from hearth.resource.models import (
    BulkError,
    BulkOut,
    BulkResult,
    ChangeOut,
    DeletedOut,
    HistoryPage,
    Models,
    ResourceChanged,
    given_values,
    models_of,
)
from hearth.resource.rows import Rows, Values, forget_changes

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


class ResourceService:
    """Reads and changes the rows of a resource.

    Args:
        ledger: Where the rows are, and where their events go.
        prepare: The capability's rules.
    """

    def __init__(self, resource: Resource, ledger: Ledger, prepare: Prepare | None = None) -> None:
        self.resource = resource
        self._ledger = ledger
        self._prepare = prepare
        self._rows = Rows(resource)
        self._key = resource.key
        self._secrets = resource.secrets
        self._json_fields = [f for f in resource.fields if isinstance(f, declared.Json)]
        self._requests = IdempotentRequests(ledger, resource.table)

    @property
    def models(self) -> Models:
        """The request and response models; made on first use, which a worker never has."""
        return models_of(self.resource)

    # ---- reads ----

    def get(self, actor: str, row_id: str) -> BaseModel:
        """One row.

        Raises:
            NotFound: There is none that the actor sees.
        """
        row = self._ledger.db.read(lambda tx: self._rows.get(tx, actor, row_id))
        return self._to_response(self._found(row, row_id))

    def list(self, actor: str, query: Any) -> BaseModel:
        """One page of rows.

        Raises:
            InvalidInput: A filter, order or cursor that this list does not have.
        """
        conditions = parse_filter(self.resource, query.filter)
        order = parse_order(self.resource, query.order)
        about = fingerprint(self.resource, query.filter, query.order)
        after = read_cursor(query.cursor, order, about) if query.cursor is not None else None
        rows = self._ledger.db.read(
            lambda tx: self._rows.page(tx, actor, conditions, order, after, query.limit + 1)
        )
        shown = rows[: query.limit]
        return self.models.page.model_validate(
            {
                "items": shown,
                "next_cursor": cursor_after(shown[-1], order, about)
                if len(rows) > query.limit
                else None,
            }
        )

    def history(self, actor: str, row_id: str, limit: int, cursor: str | None) -> HistoryPage:
        """What made each version of a row.

        Raises:
            NotFound: There is no such row that the actor sees.
            InvalidInput: A cursor of another list.
        """
        before = _version(cursor) if cursor is not None else None
        row, found = self._ledger.db.read(
            lambda tx: (
                self._rows.get(tx, actor, row_id),
                self._rows.history(tx, row_id, before, limit + 1),
            )
        )
        row = self._found(row, row_id)
        items = [ChangeOut.model_validate(entry, from_attributes=True) for entry in found]
        if len(items) <= limit and (before is None or before > 1):
            # The row itself tells who created it, so its first version is stored nowhere else.
            items.append(
                ChangeOut(
                    version=1,
                    action="created",
                    changed_by=row["owner_id"],
                    changed_at=row["created_at"],
                    changes=[],
                )
            )
        more = len(items) > limit
        return HistoryPage(
            items=items[:limit],
            next_cursor=encode_cursor(str(items[limit - 1].version)) if more else None,
        )

    def every(self) -> Sequence[Values]:
        """All rows with their secrets, for the capability itself: nothing here may be answered."""
        rows, secrets = self._ledger.db.read(
            lambda tx: (self._rows.every(tx), self._rows.secrets(tx))
        )
        return [row | secrets.get(row["id"], {}) for row in rows]

    # ---- writes ----

    def create(self, actor: str, new: BaseModel, key: str | None = None) -> tuple[BaseModel, bool]:
        """A new row; and whether the answer repeats that of an earlier request with the key.

        Raises:
            InvalidInput, Conflict: The capability's rules, a key that is taken, or too many rows.
        """

        def work(work: UnitOfWork) -> BaseModel:
            [row] = self._insert(work, [self._values(new)])
            if isinstance(row, CallerError):
                raise row
            return self._to_response(row)

        return self._run(actor, key, "create", new, self.models.out, work)

    def update(
        self, actor: str, row_id: str, changes: BaseModel, expected: Versions = None
    ) -> BaseModel:
        """Change some fields; nothing happens where none is different.

        Raises:
            NotFound: There is no such row that the actor sees.
            PreconditionFailed: Its version is none of `expected`.
            InvalidInput, Conflict: The capability's rules, or a key that is taken.
        """
        given = given_values(self.resource, changes, changes.model_fields_set)
        return self._ledger.transact(
            lambda work: self._to_response(self._change(work, row_id, given, expected)), actor
        )

    def delete(self, actor: str, row_id: str, expected: Versions = None) -> DeletedOut:
        """Delete a row with its secrets.

        Raises:
            NotFound: There is no such row that the actor sees.
            PreconditionFailed: Its version is none of `expected`.
        """

        def work(work: UnitOfWork) -> None:
            self._remove(work, row_id, expected)
            forget_changes(work.tx, work.now)

        self._ledger.transact(work, actor)
        return DeletedOut()

    # ---- writes in bulk: each item succeeds or fails by itself, in one transaction ----

    def bulk_create(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Create up to 100 rows."""

        def work(work: UnitOfWork) -> BulkOut:
            rows = self._insert(work, [self._values(new) for new in asked.items])
            return _answer([_item(n, row, 201) for n, row in enumerate(rows)])

        return self._run(actor, key, "bulk_create", asked, BulkOut, work)

    def bulk_update(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Change up to 100 rows."""

        def work(work: UnitOfWork) -> BulkOut:
            def change(item: Any) -> Values:
                given = given_values(self.resource, item.changes, item.changes.model_fields_set)
                return self._change(work, item.id, given, _expected(item.version))

            return _attempt_all(asked.items, change)

        return self._run(actor, key, "bulk_update", asked, BulkOut, work)

    def bulk_delete(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Delete up to 100 rows."""

        def work(work: UnitOfWork) -> BulkOut:
            def remove(item: Any) -> Values:
                return self._remove(work, item.id, _expected(item.version))

            answer = _attempt_all(asked.items, remove)
            forget_changes(work.tx, work.now)
            return answer

        return self._run(actor, key, "bulk_delete", asked, BulkOut, work)

    def bulk_upsert(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Create up to 100 rows, or change the fields that are given of those that exist.

        A row is found by the resource's unique field.
        """
        unique = self._unique_field()

        def work(work: UnitOfWork) -> BulkOut:
            items: dict[int, BulkResult] = {}
            keys = [getattr(item, unique) for item in asked.items]

            def change(item: Any) -> Values:
                given = given_values(self.resource, item, item.model_fields_set)
                return self._change(work, existing[getattr(item, unique)], given, None)

            existing = self._rows.ids_by_key(work.tx, actor, keys)
            new = [n for n, name in enumerate(keys) if name not in existing]
            rows = self._insert(work, [self._values(asked.items[n]) for n in new])
            for n, row in zip(new, rows, strict=True):
                items[n] = _item(n, row, 201)
            # The same key twice in a request, or a row that another request created meanwhile.
            if taken := [n for n, row in zip(new, rows, strict=True) if isinstance(row, Conflict)]:
                existing |= self._rows.ids_by_key(work.tx, actor, [keys[n] for n in taken])
            for n in _lock_order(keys):
                if keys[n] in existing and (n not in items or items[n].error is not None):
                    items[n] = _attempt(n, asked.items[n], change)
            return _answer([items[n] for n in range(len(keys))])

        return self._run(actor, key, "bulk_upsert", asked, BulkOut, work)

    # ---- how it is done ----

    def _run(
        self,
        actor: str,
        key: str | None,
        operation: str,
        asked: BaseModel,
        answer: type[Any],
        work: Callable[[UnitOfWork], Any],
    ) -> tuple[Any, bool]:
        """Run `work` in a transaction, once for an idempotency key."""
        content = [operation, asked.model_dump(mode="json")] if key is not None else None
        result: tuple[Any, bool] = self._requests.run(
            IdempotentRequest(actor, key, content), answer, work
        )
        return result

    def _values(self, new: BaseModel) -> Values:
        """The own fields of a new row; derived ones are for `prepare` to set."""
        derived = {field.name: field.initial for field in self.resource.fields if field.derived}
        empty = {name: None if value is ... else value for name, value in derived.items()}
        return empty | given_values(self.resource, new, type(new).model_fields)

    def _insert(self, work: UnitOfWork, items: Sequence[Values]) -> Results:
        """Insert rows; what stands in the place of each that was rejected is why."""
        room = self.resource.max_rows - self._rows.count(work.tx, work.actor)
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
                    raise Conflict(
                        f"there are {self.resource.max_rows} {self._plural()}; delete some first"
                    )
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
        names = [field.name for field in self.resource.fields if not field.derived]
        self._emit(work, "created", [row for row in result if isinstance(row, dict)], names)
        return result

    def _change(self, work: UnitOfWork, row_id: str, given: Values, expected: Versions) -> Values:
        """Store the next version of a row; the same one when nothing is different."""
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
            self._rows.record(
                work.tx, after, after["version"], "updated", work.actor, work.now, entries
            )
            self._emit(work, "updated", [after], [*changed, *secrets])
            return after
        raise Unavailable(f"{self._words(row_id)} is changed by many at once; try again")

    def _remove(self, work: UnitOfWork, row_id: str, expected: Versions) -> Values:
        """Delete a row; the answer is the row as it was."""
        for _ in range(_ATTEMPTS):
            row = self._seen(work, row_id, expected)
            if not self._rows.remove(work.tx, row):
                continue
            last = [
                {"field": name, "old": _json(value)}
                for name, value in row.items()
                if name not in ("id", "version", "updated_at")
            ]
            version = row["version"] + 1
            self._rows.record(work.tx, row, version, "deleted", work.actor, work.now, last)
            self._emit(work, "deleted", [row | {"version": version}], [])
            return row
        raise Unavailable(f"{self._words(row_id)} is changed by many at once; try again")

    def _seen(self, work: UnitOfWork, row_id: str, expected: Versions) -> Values:
        row = self._found(self._rows.get(work.tx, work.actor, row_id), row_id)
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
        for field in self.resource.fields:
            if field.fixed and row[field.name] != before[field.name]:
                raise InvalidInput(f"{field.name} must stay {before[field.name]!r}")
        key = self._key
        # Looked up beforehand: a broken constraint would end the whole transaction.
        if (
            key is not None
            and row[key.name] != before[key.name]
            and self._rows.ids_by_key(work.tx, work.actor, [row[key.name]])
        ):
            raise self._taken(row)

    def _emit(
        self, work: UnitOfWork, action: str, rows: Sequence[Values], changed: Sequence[str]
    ) -> None:
        if self.resource.events is None:
            return
        work.emit(
            *(
                Event(
                    type=f"{self.resource.events}.{action}",
                    id=f"{row['id']}:{row['version']}",
                    time=work.now,
                    subject=row["id"],
                    data=ResourceChanged(
                        id=row["id"],
                        owner_id=row["owner_id"],
                        version=row["version"],
                        changed=list(changed),
                        changed_by=work.actor,
                        changed_at=work.now,
                    ).model_dump(mode="json"),
                )
                for row in rows
            )
        )

    def _found(self, row: Values | None, row_id: str) -> Values:
        if row is None:
            raise NotFound(f"{self._words(row_id)} does not exist")
        return row

    def _to_response(self, row: Values) -> BaseModel:
        return self.models.out.model_validate(row)

    def _taken(self, row: Values) -> Conflict:
        name = self._unique_field()
        return Conflict(f"{self.resource.words} {row[name]!r} exists already")

    def _unique_field(self) -> str:
        if self._key is None:
            raise TypeError(f"resource {self.resource.name} has no unique field")
        return self._key.name

    def _words(self, row_id: str) -> str:
        return f"{self.resource.words} {row_id[:40]}"

    def _plural(self) -> str:
        return self.resource.plural.replace("_", " ")


def _expected(version: int | None) -> Versions:
    return None if version is None else frozenset({version})


def _lock_order(keys: Sequence[str]) -> list[int]:
    """The indexes of items, sorted: two transactions with the same rows cannot deadlock."""
    return sorted(range(len(keys)), key=lambda index: keys[index])


def _attempt_all(items: Sequence[Any], change: Callable[[Any], Values]) -> BulkOut:
    found = {n: _attempt(n, items[n], change) for n in _lock_order([item.id for item in items])}
    return _answer([found[n] for n in range(len(items))])


def _attempt(index: int, item: Any, change: Callable[[Any], Values]) -> BulkResult:
    try:
        return _item(index, change(item), 200)
    except CallerError as error:
        return _item(index, error, error.status)


def _item(index: int, result: Values | CallerError, status: int) -> BulkResult:
    if isinstance(result, CallerError):
        error = BulkError(code=result.code, message=result.message)
        return BulkResult(index=index, id=None, status=result.status, error=error)
    return BulkResult(index=index, id=result["id"], status=status, version=result["version"])


def _answer(items: Sequence[BulkResult]) -> BulkOut:
    failed = sum(item.error is not None for item in items)
    return BulkOut(succeeded=len(items) - failed, failed=failed, items=list(items))


def _json(value: Any) -> Any:
    return format_time(value) if isinstance(value, datetime) else value


def _version(cursor: str) -> int:
    [text] = decode_cursor(cursor, 1)
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise InvalidInput("cursor must be one that this list gave out")
    return min(int(text), declared.MAX_INTEGER)
