"""Tables and queries, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from functions.reports.narrative import rules_narrative
from functions.reports.queries import ReportQueries
from functions.reports.repository import emails, metadata, reports
from functions.reports.repository.tables import PdfFile
from hearth.db import Database
from hearth.errors import Conflict, InvalidInput, NotFound, TooLarge
from tests.support.fakes import Clock, MemoryStore
from tests.support.report_events import incident

Read = Callable[..., Any]
NARRATIVE = rules_narrative(incident(), ZoneInfo("UTC"))
CLOCK = Clock()


def ulid(number: int) -> str:
    return f"01KASVZEBRY4C1W9T6P0X{number:05}"


def save(db: Database, number: int = 1, sha256: str = "a" * 64, **changes: Any) -> bool:
    event = incident(incident_id=ulid(number), **changes)
    pdf = PdfFile(f"reports/{event.incident_id}.pdf", sha256)
    return db.write(lambda tx: reports.save_report(tx, event, NARRATIVE, pdf, None, CLOCK()))


def test_the_tables_are_what_the_migration_makes(db: Database) -> None:
    def differences(tx: Connection) -> list[object]:
        def ours(name: str | None, kind: str, parents: object) -> bool:
            return kind != "table" or name in metadata.tables

        options = {"include_name": ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))

    assert db.read(differences) == []


def test_without_reports_the_list_is_empty(db: Database, read: Read) -> None:
    assert read(reports.list_reports, limit=10) == []
    assert read(reports.get_reports, []) == {}
    assert read(reports.get_narratives, []) == {}
    assert read(reports.get_report, "x") is None
    assert read(emails.get_email, "x") is None


def test_a_report_comes_back_as_it_was_saved(db: Database, read: Read) -> None:
    assert save(db)
    report = read(reports.get_report, ulid(1))
    assert report.first_seen == incident().first_seen
    assert report.site["company_name"] == "Elbe Hochbau GmbH"
    assert report.narrative == NARRATIVE.model_dump(mode="json")
    assert report.created_at == CLOCK()


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(1, 1, "b"), (1, 2, "b"), (2, 1, "a")], ids=str
)
def test_only_an_older_revision_changes_nothing(
    db: Database, read: Read, first: int, second: int, kept: str
) -> None:
    assert save(db, sha256="a" * 64, revision=first)
    assert save(db, sha256="b" * 64, revision=second) is (second >= first)
    assert read(reports.get_report, ulid(1)).pdf_sha256 == kept * 64


def test_the_first_narrative_of_a_revision_counts(db: Database) -> None:
    def keep(words: str, revision: int) -> str:
        narrative = NARRATIVE.model_copy(update={"summary": words})
        return db.write(
            lambda tx: reports.store_narrative(tx, ulid(1), revision, narrative, CLOCK())
        ).summary

    assert [keep("one", 1), keep("two", 1), keep("three", 2)] == ["one", "one", "three"]


# ---- the archive ----


@pytest.fixture
def archive(db: Database) -> ReportQueries:
    return ReportQueries(db, MemoryStore())


def test_pages_have_no_gap_and_no_repeat(db: Database, archive: ReportQueries) -> None:
    for number in range(7):
        # Two and two share their time, so that the id must break the tie.
        seen = f"2026-11-02T0{number // 2}:00:00Z"
        save(db, number, first_seen=seen, last_seen=seen)
    seen_ids: list[str] = []
    cursor = None
    while True:
        page = archive.list(limit=3, cursor=cursor)
        seen_ids += [report.id for report in page.reports]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen_ids == [ulid(number) for number in (6, 5, 4, 3, 2, 1, 0)]


def test_lists_are_filtered_by_camera_and_time(db: Database, archive: ReportQueries) -> None:
    for number, camera in enumerate(["gate", "gate", "dock"]):
        seen = f"2026-11-02T0{number}:00:00Z"
        save(db, number, first_seen=seen, last_seen=seen, camera_id=camera)
    one, two = (incident(last_seen=f"2026-11-02T0{n}:00:00Z").last_seen for n in (1, 2))

    def found(**filters: Any) -> list[str]:
        return [report.id for report in archive.list(**filters).reports]

    assert found(camera_id="gate") == [ulid(1), ulid(0)]
    assert found(camera_id="nowhere") == []
    assert found(since=one) == [ulid(2), ulid(1)]
    assert found(until=two) == [ulid(1), ulid(0)]
    assert found(since=one, until=two, camera_id="gate") == [ulid(1)]


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJ4IiwieSJd"])
def test_an_invalid_cursor_is_refused(archive: ReportQueries, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        archive.list(cursor=cursor)


def test_a_report_shows_the_state_of_its_e_mail(db: Database, archive: ReportQueries) -> None:
    save(db)
    assert archive.get(ulid(1)).email is None
    content = {"recipients": ["a@example.org"]}
    db.write(
        lambda tx: emails.record_intent(
            tx, ulid(1), message_id="<m@x>", content=content, now=CLOCK(), report_id=ulid(1)
        )
    )
    shown = archive.get(ulid(1)).email
    assert shown is not None
    assert (shown.state, shown.attempts, shown.recipients) == ("intended", 1, ("a@example.org",))


def test_a_pdf_that_was_changed_is_not_served(db: Database) -> None:
    store = MemoryStore()
    archive = ReportQueries(db, store)
    with pytest.raises(NotFound):
        archive.pdf(ulid(1))
    key = f"reports/{ulid(1)}.pdf"
    save(db, sha256=store.put(key, b"%PDF", "application/pdf"))
    assert archive.pdf(ulid(1))[0] == b"%PDF"
    store.objects[key] = b"%PDF forged"
    with pytest.raises(Conflict):
        archive.pdf(ulid(1))
    store.objects[key] = bytes(5_000_000)
    with pytest.raises(TooLarge):
        archive.pdf(ulid(1))
    del store.objects[key]
    with pytest.raises(NotFound):
        archive.pdf(ulid(1))
