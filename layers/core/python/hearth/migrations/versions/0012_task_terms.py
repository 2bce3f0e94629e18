"""An index of the words and tags of tasks, filled from the tasks that there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from hearth.db import insert_for

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_MOST_WORDS: Final = 700
_TASKS_AT_ONCE: Final = 5_000
_ROWS_AT_ONCE: Final = 1_000
"""Aurora DSQL takes 3,000 rows in a transaction."""


def upgrade() -> None:
    words = op.create_table(
        "task_words",
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("word", sa.Text, nullable=False),
    )
    terms = op.create_table(
        "task_terms",
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_id", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    tx = op.get_bind()
    known: set[int] = set()
    for batch in _batches(tx):
        texts = [(row, _words(row), _tags(row)) for row in batch]
        of_batch = {term: word for _, found, _ in texts for term, word in found.items()}
        new = {term: word for term, word in of_batch.items() if term not in known}
        known |= new.keys()
        _insert(tx, words, ({"term": term, "word": word} for term, word in sorted(new.items())))
        # Sorted as the key is: neighbours go to the same page.
        pairs = sorted((term, row.id) for row, found, tags in texts for term in {*found, *tags})
        _insert(tx, terms, ({"term": term, "task_id": task_id} for term, task_id in pairs))


def downgrade() -> None:
    op.drop_table("task_terms")
    op.drop_table("task_words")


def _batches(tx: sa.Connection) -> Iterator[list[Any]]:
    t = sa.table("tasks", *map(sa.column, ("id", "title", "category", "tags", "description")))
    after = ""
    while rows := list(
        tx.execute(sa.select(t).where(t.c.id > after).order_by(t.c.id).limit(_TASKS_AT_ONCE))
    ):
        yield rows
        after = rows[-1].id


def _words(row: Any) -> dict[int, str]:
    tags = row.tags.strip("|").split("|") if row.tags else ()
    text = "\n".join((row.title, row.category, *tags, row.description)).casefold()
    return {_term("word", w): w for w in islice(dict.fromkeys(text.split()), _MOST_WORDS)}


def _tags(row: Any) -> list[int]:
    return [_term("tag", tag) for tag in row.tags.strip("|").split("|")] if row.tags else []


def _term(kind: str, text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=kind.encode()).digest()
    return int.from_bytes(digest, "big", signed=True)


def _insert(tx: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Rows that may be there: on Aurora DSQL a revision that was cut off is run again."""
    remaining = iter(rows)
    # With RETURNING, SQLAlchemy makes one statement of a thousand rows, quicker than one each.
    statement = insert_for(tx.dialect.name)(table).on_conflict_do_nothing().returning(table.c.term)
    while first := list(islice(remaining, _ROWS_AT_ONCE)):
        tx.execute(statement, first)
