"""An index of words and tags that SQLite, PostgreSQL and Aurora DSQL all can keep.

`task_terms` has a row for each task and each different word or tag of it, `task_words` the words
themselves, once. A part of a word is looked for among the words, of which there are few, and then
the tasks are known. That finds what a pass over all texts would find: neither what is asked for nor
a word has a space in it.

A term is the hash of its text, because a word may be longer than a key of an index. The texts of
those tasks are looked at again, so nothing wrong is found; of a million words, with a chance of one
in thirty million, one would be missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Select, func, select
from sqlalchemy import delete as sql_delete

from functions.tasks.repository.tables import task_terms, task_words
from hearth.db import insert_for

if TYPE_CHECKING:
    from functions.tasks.repository.tasks import TaskRow

MAX_WORDS: Final = 700
"""Of one task. A description of 4,000 characters has about 350 different ones; a change that takes
all away and brings as many new ones still fits the 3,000 rows of a transaction on Aurora DSQL."""
COMMON: Final = 1_000
"""A term that more tasks have is common: a walk through a list meets one of them soon."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query for the ids of at most 1,001 tasks that have a term.

    `all` says whether those are all of them; else the term is common.
    """

    ids: Select[tuple[str]]
    all: bool


def insert(tx: Connection, task: TaskRow) -> None:
    """Index a new task."""
    _insert(tx, task.id, _terms(task))


def update(tx: Connection, before: TaskRow, after: TaskRow) -> None:
    """Index the changed text of a task."""
    if _text(before) == _text(after):
        return
    old, new = _terms(before), _terms(after)
    _delete(tx, before.id, old.keys() - new.keys())
    _insert(tx, after.id, {term: word for term, word in new.items() if term not in old})


def delete(tx: Connection, task: TaskRow) -> None:
    """Remove a task from the index. Its words stay: others may use them."""
    _delete(tx, task.id, _terms(task).keys())


def candidates(tx: Connection, words: Sequence[str], tags: Sequence[str]) -> Candidates:
    """The tasks that have the first of the terms that is not common; some of one when all are.

    Args:
        tx: Transaction.
        words: Parts of words, case-folded, without spaces.
        tags: Whole tags. There is at least one of either.
    """
    chosen: Candidates | None = None
    for terms in _each(tx, words, tags):
        # The limit tells PostgreSQL, too, that these are few.
        ids = select(task_terms.c.task_id).where(task_terms.c.term.in_(terms)).limit(COMMON + 1)
        number = tx.execute(select(func.count()).select_from(ids.subquery())).scalar_one()
        # Of very many words the last ones were not looked at.
        chosen = Candidates(ids, all=number <= COMMON and len(terms) <= COMMON)
        if chosen.all:
            break
    if chosen is None:
        raise ValueError("neither words nor tags")
    return chosen


def _each(tx: Connection, words: Sequence[str], tags: Sequence[str]) -> Iterator[list[int]]:
    for tag in tags:
        yield [_term("tag", tag)]
    # The longest is likely to be the rarest.
    for word in sorted(words, key=len, reverse=True):
        like = task_words.c.word.contains(word, autoescape=True)
        yield list(tx.execute(select(task_words.c.term).where(like).limit(COMMON + 1)).scalars())


def _text(task: TaskRow) -> tuple[str, ...]:
    # The description last: should there be too many words, they are its last ones.
    return (task.title, task.category, *task.tags, task.description)


def _terms(task: TaskRow) -> dict[int, str | None]:
    """Each term of a task, with the word that it is; None: it is a tag."""
    different = dict.fromkeys("\n".join(_text(task)).casefold().split())
    found: dict[int, str | None] = {
        _term("word", word): word for word in islice(different, MAX_WORDS)
    }
    return found | {_term("tag", tag): None for tag in task.tags}


def _term(kind: str, text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=kind.encode()).digest()
    return int.from_bytes(digest, "big", signed=True)


def _insert(tx: Connection, task_id: str, terms: dict[int, str | None]) -> None:
    insert_of = insert_for(tx.dialect.name)
    # In the order of the key: two that write the same words wait for each other, once.
    words = [{"term": term, "word": word} for term, word in sorted(terms.items()) if word]
    if words:
        tx.execute(insert_of(task_words).on_conflict_do_nothing(), words)
    if terms:
        rows = [{"term": term, "task_id": task_id} for term in sorted(terms)]
        tx.execute(insert_of(task_terms).on_conflict_do_nothing(), rows)


def _delete(tx: Connection, task_id: str, terms: Collection[int]) -> None:
    if terms:
        there = (task_terms.c.term.in_(terms)) & (task_terms.c.task_id == task_id)
        tx.execute(sql_delete(task_terms).where(there))
