"""The nine operations on a resource: create, read, update, delete, list, and four in bulk.

Each write is one transaction: the row, its secrets, its history and its events are stored together
or not at all. A capability adds its rules with one hook, `prepare`, and keeps no plumbing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from hearth.errors import (
    CallerError,
    Conflict,
    InvalidInput,
)
from hearth.idempotency import IdempotentRequest, IdempotentRequests
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
    given_values,
    models_of,
)
from hearth.resource.rows import Rows, Values, forget_changes
from hearth.resource.writer import Prepare, RowWriter, Versions


class ResourceService:
    """Reads and changes the rows of a resource.

    Args:
        ledger: Where the rows are, and where their events go.
        prepare: The capability's rules.
    """

    def __init__(self, resource: Resource, ledger: Ledger, prepare: Prepare | None = None) -> None:
        self.resource = resource
        self._ledger = ledger
        self._rows = Rows(resource)
        self._writer = RowWriter(resource, self._rows, prepare)
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
        return self._to_response(self._writer.found(row, row_id))

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
        row = self._writer.found(row, row_id)
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

        def write(work: UnitOfWork) -> BaseModel:
            [row] = self._writer.insert(work, [self._values(new)])
            if isinstance(row, CallerError):
                raise row
            return self._to_response(row)

        return self._run(actor, key, "create", new, self.models.out, write)

    def update(
        self, actor: str, row_id: str, changes: BaseModel, expected: Versions = None
    ) -> BaseModel:
        """Change some fields; nothing happens where none is different.

        Raises:
            NotFound: There is no such row that the actor sees.
            PreconditionFailed: Its version is none of `expected`.
            InvalidInput, Conflict: The capability's rules, or a key that is taken.
        """
        given = given_values(changes, changes.model_fields_set)
        return self._ledger.transact(
            lambda work: self._to_response(self._writer.change(work, row_id, given, expected)),
            actor,
        )

    def delete(self, actor: str, row_id: str, expected: Versions = None) -> DeletedOut:
        """Delete a row with its secrets.

        Raises:
            NotFound: There is no such row that the actor sees.
            PreconditionFailed: Its version is none of `expected`.
        """

        def write(work: UnitOfWork) -> None:
            self._writer.remove(work, row_id, expected)
            forget_changes(work.tx, work.now)

        self._ledger.transact(write, actor)
        return DeletedOut()

    # ---- writes in bulk: each item succeeds or fails by itself, in one transaction ----

    def bulk_create(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Create up to 100 rows."""

        def write(work: UnitOfWork) -> BulkOut:
            rows = self._writer.insert(work, [self._values(new) for new in asked.items])
            return _answer([_item(n, row, 201) for n, row in enumerate(rows)])

        return self._run(actor, key, "bulk_create", asked, BulkOut, write)

    def bulk_update(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Change up to 100 rows."""

        def write(work: UnitOfWork) -> BulkOut:
            def change(item: Any) -> Values:
                given = given_values(item.changes, item.changes.model_fields_set)
                return self._writer.change(work, item.id, given, _expected(item.version))

            return _attempt_all(asked.items, change)

        return self._run(actor, key, "bulk_update", asked, BulkOut, write)

    def bulk_delete(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Delete up to 100 rows."""

        def write(work: UnitOfWork) -> BulkOut:
            def remove(item: Any) -> Values:
                return self._writer.remove(work, item.id, _expected(item.version))

            answer = _attempt_all(asked.items, remove)
            forget_changes(work.tx, work.now)
            return answer

        return self._run(actor, key, "bulk_delete", asked, BulkOut, write)

    def bulk_upsert(self, actor: str, asked: Any, key: str | None = None) -> tuple[BulkOut, bool]:
        """Create up to 100 rows, or change the fields that are given of those that exist.

        A row is found by the resource's unique field.
        """
        unique = self._unique_field()

        def write(work: UnitOfWork) -> BulkOut:
            items: dict[int, BulkResult] = {}
            keys = [getattr(item, unique) for item in asked.items]

            def change(item: Any) -> Values:
                given = given_values(item, item.model_fields_set)
                return self._writer.change(work, existing[getattr(item, unique)], given, None)

            existing = self._rows.ids_by_key(work.tx, actor, keys)
            new = [n for n, name in enumerate(keys) if name not in existing]
            rows = self._writer.insert(work, [self._values(asked.items[n]) for n in new])
            for n, row in zip(new, rows, strict=True):
                items[n] = _item(n, row, 201)
            # The same key twice in a request, or a row that another request created meanwhile.
            if taken := [n for n, row in zip(new, rows, strict=True) if isinstance(row, Conflict)]:
                existing |= self._rows.ids_by_key(work.tx, actor, [keys[n] for n in taken])
            for n in _lock_order(keys):
                if keys[n] in existing and (n not in items or items[n].error is not None):
                    items[n] = _attempt(n, asked.items[n], change)
            return _answer([items[n] for n in range(len(keys))])

        return self._run(actor, key, "bulk_upsert", asked, BulkOut, write)

    def _run(
        self,
        actor: str,
        key: str | None,
        operation: str,
        asked: BaseModel,
        answer: type[Any],
        write: Callable[[UnitOfWork], Any],
    ) -> tuple[Any, bool]:
        """Run `write` in a transaction, once for an idempotency key."""
        content = [operation, asked.model_dump(mode="json")] if key is not None else None
        result: tuple[Any, bool] = self._requests.run(
            IdempotentRequest(actor, key, content), answer, write
        )
        return result

    def _values(self, new: BaseModel) -> Values:
        """The own fields of a new row; derived ones are for `prepare` to set."""
        derived = {field.name: field.initial for field in self.resource.fields if field.derived}
        empty = {name: None if value is ... else value for name, value in derived.items()}
        return empty | given_values(new, type(new).model_fields)

    def _to_response(self, row: Values) -> BaseModel:
        return self.models.out.model_validate(row)

    def _unique_field(self) -> str:
        if self.resource.key is None:
            raise TypeError(f"resource {self.resource.name} has no unique field")
        return self.resource.key.name


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


def _version(cursor: str) -> int:
    [text] = decode_cursor(cursor, 1)
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise InvalidInput("cursor must be one that this list gave out")
    return min(int(text), declared.MAX_INTEGER)
