"""The audit log goes back as far as it is told to."""

from __future__ import annotations

from datetime import timedelta

from functions.auth import audit_log
from functions.auth.audit_log import AuditLog, Caller
from functions.auth.schemas import AuditQuery
from hearth.db import Database
from tests.support.fakes import Clock

DAY_S = 86_400.0
NOBODY = Caller(None, "127.0.0.1")


def test_old_entries_are_deleted_when_new_ones_are_added(migrated_url: str) -> None:
    db, clock = Database(migrated_url), Clock()
    log = AuditLog(db, clock, timedelta(days=30))
    for number in range(audit_log.DELETED_AT_A_TIME + 2):
        log.record_refusal(NOBODY, f"old.{number}", "no")
    clock.advance(29 * DAY_S)
    log.record_refusal(NOBODY, "young", "no")
    clock.advance(2 * DAY_S)

    def actions() -> list[str]:
        found = log.list(AuditQuery(limit=100, cursor=None)).entries
        return [entry.action for entry in found]

    log.record_refusal(NOBODY, "new.1", "no")
    assert actions() == ["new.1", "young", "old.6", "old.5"]
    log.record_refusal(NOBODY, "new.2", "no")
    assert actions() == ["new.2", "new.1", "young"]
    db.close()
