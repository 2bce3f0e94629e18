"""Words and tags are found by an index, which says what a pass over all texts would say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from functions.tasks.repository import task_terms as term_index
from functions.tasks.repository.tables import task_terms
from tests.contract.tasks.harness import ANA, BEN, Harness

WORDS = st.text(st.sampled_from("aäßİж屋%_\\|/.\u2003 \n-1"), max_size=12)


def rows_of(harness: Harness) -> int:
    return int(
        harness.db.read(
            lambda tx: tx.execute(select(func.count()).select_from(task_terms)).scalar()
        )
        or 0
    )


def test_a_part_of_a_word_finds_the_task_until_its_text_is_another(harness: Harness) -> None:
    task = harness.make("Dachrinne reparieren", description="Leiter im Schuppen", tags=["haus"])
    for part in ("rinne", "DACH", "leit schup", "aus", "general"):
        assert harness.list(search=part)["total"] == 1, part
    harness.ask("PUT", f"/{task['id']}", {"description": "Gerüst bestellen", "tags": ["hof"]})
    for part, total in (("rinne", 1), ("leiter", 0), ("gerüst", 1), ("haus", 0), ("hof", 1)):
        assert harness.list(search=part)["total"] == total, part
    assert harness.list(tags="haus")["total"] == 0
    assert harness.list(tags="hof")["total"] == 1
    assert harness.list(tags="ho")["total"] == 0


def test_nobody_finds_the_tasks_of_others_by_their_words(harness: Harness) -> None:
    harness.make("secret", tags=["secret"])
    assert harness.list(BEN, search="secret")["total"] == 0
    assert harness.list(BEN, tags="secret")["tasks"] == []


def test_a_deleted_task_leaves_nothing_in_the_index(harness: Harness) -> None:
    kept = harness.make("kept")
    before = rows_of(harness)
    task = harness.make("gone soon", description="and forgotten", tags=["a", "b"])
    assert rows_of(harness) == before + 9  # seven words, two tags
    assert harness.ask("DELETE", f"/{task['id']}").status_code == 200
    assert rows_of(harness) == before
    assert harness.titles(search="e") == [kept["title"]]


def test_a_change_that_is_refused_leaves_the_index_as_it_was(harness: Harness) -> None:
    task = harness.make("old words")
    answer = harness.ask("PUT", f"/{task['id']}", {"title": "new"}, headers={"If-Match": '"7"'})
    assert answer.status_code == 412
    assert harness.list(search="old")["total"] == 1
    assert harness.list(search="new")["total"] == 0


def test_what_many_tasks_have_is_listed_in_order_and_counted_so_far(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_index, "COMMON", 3)
    made = [
        harness.make(f"common {n}", tags=["t"], priority="high" if n % 2 else "low")["id"]
        for n in range(9)
    ]
    for query in ({"search": "common"}, {"tags": "t"}, {"search": "comm", "tags": ["t"]}):
        page = harness.list(**query, limit=2, sort="created_at", order="asc")
        assert [task["id"] for task in page["tasks"]] == made[:2]
        assert (page["total"], page["total_is_exact"], page["has_next"]) == (4, False, True)
        last = harness.list(**query, limit=2, page=5, sort="created_at", order="asc")
        assert [task["id"] for task in last["tasks"]] == made[8:]
        assert (last["total"], last["has_next"]) == (9, False)
    # One term that is rare is enough, and then the count is exact.
    page = harness.list(search="common 7", tags="t")
    assert (page["total"], page["total_is_exact"]) == (1, True)
    page = harness.list(search="common", priority="high", limit=1)
    assert page["total"] in (1, 2)
    assert page["total_is_exact"] is False
    assert harness.list(priority="high")["total_is_exact"] is True


def test_a_part_of_very_many_words_is_common(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_index, "COMMON", 3)
    harness.make("a1 a2 a3 a4 a5")
    other = harness.make("a6")
    page = harness.list(search="a", limit=1)
    assert [task["id"] for task in page["tasks"]] == [other["id"]]
    assert page["has_next"] is True


def test_of_very_many_words_the_first_are_found(harness: Harness) -> None:
    harness.make("title", description=" ".join(f"w{n}" for n in range(800)), category="last")
    assert harness.list(search="w600")["total"] == 1
    assert harness.list(search="last")["total"] == 1
    assert harness.list(search="w799")["total"] == 0


def test_neither_a_word_nor_a_tag_passes_for_the_other(harness: Harness) -> None:
    harness.make("garden")
    assert harness.list(tags="garden")["total"] == 0


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts=st.lists(WORDS, min_size=1, max_size=4), asked=WORDS)
def test_the_index_finds_what_a_look_at_every_text_finds(
    sqlite_harness: Harness, texts: list[str], asked: str
) -> None:
    harness = sqlite_harness
    for task in harness.list(limit=100)["tasks"]:
        harness.ask("DELETE", f"/{task['id']}")
    made: list[Any] = [harness.make("x", ANA, description=text) for text in texts]
    words = asked.casefold().split()
    expected = {
        task["id"]
        for task in made
        if all(w in f"x\n{task['description']}\ngeneral".casefold() for w in words)
    }
    if len(words) <= 8:
        assert {task["id"] for task in harness.list(search=asked)["tasks"]} == expected
