"""No statement of the queue function reads a whole table, however full the tables are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from hearth.retention import REPEATABLE_KINDS
from tests.contract.detection.harness import DetectionHarness
from tests.contract.detection.test_retention import OLD_S, prune, walk

LARGE = ("jobs", "detection_frames", "detection_observations", "detection_incidents")


def test_frames_incidents_and_pruning_find_their_rows_by_an_index(
    harness: DetectionHarness,
) -> None:
    statements: dict[str, Any] = {}

    def note(
        connection: object, cursor: object, sql: str, parameters: Any, context: object, many: bool
    ) -> None:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.setdefault(sql, parameters[0] if many else parameters)

    # A rate asks for the frames around those that come in.
    rated = {"max_fps": 100.0}
    harness.policy = harness.policy.model_copy(
        update={"defaults": harness.policy.defaults.model_copy(update=rated)}
    )
    event.listen(harness.db.engine, "before_cursor_execute", note)
    walk(harness)
    harness.drain()
    harness.pass_time(60)
    harness.ledger.expire()
    harness.clock.advance(OLD_S)
    prune(harness)
    walk(harness)  # late frames ask for pruned incidents too
    harness.drain()
    harness.ledger.has_done_before(REPEATABLE_KINDS, harness.clock())
    harness.ledger.prune(REPEATABLE_KINDS, harness.clock(), 1000)
    event.remove(harness.db.engine, "before_cursor_execute", note)

    assert len(statements) > 25
    scans = {sql: found for sql in statements if (found := whole(harness, sql, statements[sql]))}
    assert scans == {}


def whole(harness: DetectionHarness, sql: str, parameters: Any) -> list[str]:
    """The steps of a plan that read a whole large table, or the backlog to find named jobs."""

    def explain(tx: Any) -> list[str]:
        if harness.db.is_sqlite:
            return [row[-1] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        # Small tables are read whole because that is cheaper; here the question is what could be.
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [row[0] for row in tx.exec_driver_sql(f"EXPLAIN {sql}", parameters)]

    steps = harness.db.read(explain)
    return [
        step
        for step in steps
        for table in LARGE
        if f"Seq Scan on {table} " in step
        or f"SCAN {table}" == step.strip()
        or ("dedupe_key IN" in sql and "ix_jobs_state_id (state=?)" in step)
    ]
