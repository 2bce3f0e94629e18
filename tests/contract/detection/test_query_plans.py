"""No statement of the queue function reads a whole table, however full the tables are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from hearth.retention import REPEATABLE_KINDS
from tests.contract.detection.stage import Stage
from tests.contract.detection.test_retention import OLD_S, prune, walk

LARGE = ("jobs", "detection_frames", "detection_observations", "detection_incidents")


def test_frames_incidents_and_pruning_find_their_rows_by_an_index(stage: Stage) -> None:
    statements: dict[str, Any] = {}

    def note(
        connection: object, cursor: object, sql: str, parameters: Any, context: object, many: bool
    ) -> None:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.setdefault(sql, parameters[0] if many else parameters)

    # A rate asks for the frames around those that come in.
    rated = {"max_fps": 100.0}
    stage.policy = stage.policy.model_copy(
        update={"defaults": stage.policy.defaults.model_copy(update=rated)}
    )
    event.listen(stage.db.engine, "before_cursor_execute", note)
    walk(stage)
    stage.drain()
    stage.pass_time(60)
    stage.ledger.expire()
    stage.clock.advance(OLD_S)
    prune(stage)
    walk(stage)  # late frames ask for pruned incidents too
    stage.drain()
    stage.ledger.has_done_before(REPEATABLE_KINDS, stage.clock())
    stage.ledger.prune(REPEATABLE_KINDS, stage.clock(), 1000)
    event.remove(stage.db.engine, "before_cursor_execute", note)

    assert len(statements) > 25
    scans = {sql: found for sql in statements if (found := whole(stage, sql, statements[sql]))}
    assert scans == {}


def whole(stage: Stage, sql: str, parameters: Any) -> list[str]:
    """The steps of a plan that read a whole large table, or the backlog to find named jobs."""

    def explain(tx: Any) -> list[str]:
        if stage.db.is_sqlite:
            return [row[-1] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        # Small tables are read whole because that is cheaper; here the question is what could be.
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [row[0] for row in tx.exec_driver_sql(f"EXPLAIN {sql}", parameters)]

    steps = stage.db.read(explain)
    return [
        step
        for step in steps
        for table in LARGE
        if f"Seq Scan on {table} " in step
        or f"SCAN {table}" == step.strip()
        or ("dedupe_key IN" in sql and "ix_jobs_state_id (state=?)" in step)
    ]
