"""Answers requests at once; large ones run in a child process with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from functions.clustering import computing
from functions.clustering.algorithms.parameters import AnomalyAlgorithm, ClusterAlgorithm
from functions.clustering.child_process import (
    ReportProgress,
    run_in_child_process,
    run_in_this_process,
)
from functions.clustering.computing import Fit, SaveOptions
from functions.clustering.limits import (
    ALGORITHM_S,
    BATCH_S,
    MAX_ANSWER_BYTES,
    MAX_COLUMNS,
    MAX_INLINE_BYTES,
    MAX_JOB_ROWS,
    MAX_JOB_VALUES,
    MAX_OPERATIONS,
    MAX_ROWS,
)
from functions.clustering.rows import check_inline, inline_table
from functions.clustering.saved.registry import ModelRegistry
from functions.clustering.schemas import (
    REQUESTS,
    AlgorithmOut,
    BatchIn,
    HealthOut,
    Manifest,
    OperationIn,
    ProblemOut,
    Request,
    ScoreIn,
    StatusOut,
)
from functions.clustering.versions import libraries
from hearth.errors import Forbidden, HearthError, InvalidInput, TimedOut, TooLarge
from hearth.ids import new_ulid, utc_now
from hearth.parsing import invalid_input
from hearth.principal import Principal

if TYPE_CHECKING:
    from hearth.storage import ObjectStore

MANAGE = "clustering:manage"
_MIN_TIME_S = 0.5
"""No operation of a batch begins with less time left."""


class ClusteringService:
    """Computes answers to rows in requests.

    Args:
        algorithm_s: Most seconds for one algorithm.
        batch_s: Most seconds for a batch.
    """

    def __init__(
        self,
        store: ObjectStore,
        registry: ModelRegistry,
        now: Callable[[], datetime] = utc_now,
        algorithm_s: float = ALGORITHM_S,
        batch_s: float = BATCH_S,
    ) -> None:
        self._store = store
        self.registry = registry
        self._now = now
        self._algorithm_s = algorithm_s
        self._batch_s = batch_s

    def answer(self, principal: Principal, request: Request) -> bytes:
        """Return the JSON of the answer to rows in the request.

        Raises:
            InvalidInput: Rows or parameters are not valid; row or field is named.
            TooLarge: The request has too many rows, or the answer is too long.
            Forbidden: Saving a model needs a permission that the caller lacks.
            NotFound: The model does not exist.
            Conflict: The model was fitted with other versions of the libraries.
            ModelFailed: The model cannot be loaded, or the algorithm crashed.
            TimedOut: The algorithm took over 8 seconds.
        """
        answer = self._answer(principal, request, self._algorithm_s)
        if len(answer) > MAX_ANSWER_BYTES:
            raise TooLarge(
                f"the answer has {len(answer)} bytes; at most {MAX_ANSWER_BYTES} are sent: put "
                "the rows in S3 and give their address as input"
            )
        return answer

    def batch(self, principal: Principal, batch: BatchIn) -> bytes:
        """Return the JSON of a `BatchOut`; operations succeed or fail independently.

        Raises:
            TooLarge: All answers together are too long.
        """
        began = time.monotonic()
        parts: list[bytes] = []
        succeeded = size = 0
        for index, operation in enumerate(batch.operations):
            left = self._batch_s - (time.monotonic() - began)
            try:
                result = self._operation(principal, operation, min(left, self._algorithm_s))
            except HearthError as error:
                problem = ProblemOut(
                    code=error.code,
                    message=error.message,
                    details=[dict(detail) for detail in error.details],
                )
                parts.append(_entry(index, operation, b"null", problem.model_dump_json().encode()))
            else:
                parts.append(_entry(index, operation, result, b"null"))
                succeeded += 1
            size += len(parts[-1])
            if size > MAX_ANSWER_BYTES:
                raise TooLarge(
                    f"the answers to {index + 1} operations have {size} bytes; at most "
                    f"{MAX_ANSWER_BYTES} are sent: send fewer operations at once"
                )
        return b'{"results":[%b],"succeeded":%d,"failed":%d,"processing_time":%.6f}' % (
            b",".join(parts),
            succeeded,
            len(parts) - succeeded,
            time.monotonic() - began,
        )

    def status(self) -> StatusOut:
        """List the algorithms, the versions of libraries and the limits."""
        saved, promoted = self.registry.status()
        algorithms = [
            *(("cluster", name, "scikit-learn, NumPy") for name in get_args(ClusterAlgorithm)),
            *(("anomaly", name, "scikit-learn") for name in get_args(AnomalyAlgorithm)),
            ("importance", "random_forest_permutation", "scikit-learn"),
        ]
        return StatusOut(
            algorithms=[
                AlgorithmOut.model_validate({"operation": of, "name": name, "library": library})
                for of, name, library in algorithms
            ],
            libraries=libraries(),
            limits={
                "rows": MAX_ROWS,
                "columns": MAX_COLUMNS,
                "bytes": MAX_INLINE_BYTES,
                "operations": MAX_OPERATIONS,
                "seconds": self._algorithm_s,
                "job_rows": MAX_JOB_ROWS,
                "job_values": MAX_JOB_VALUES,
            },
            saved_models=saved,
            promoted=promoted,
        )

    def health(self) -> HealthOut:
        """Check that database and bucket answer; never raises."""
        checks = {
            "database": _check(self.registry.status),
            "object store": _check(lambda: next(self._store.list("models/clustering/"), None)),
        }
        healthy = set(checks.values()) == {"ok"}
        return HealthOut(status="healthy" if healthy else "unhealthy", checks=checks)

    def _operation(self, principal: Principal, operation: OperationIn, seconds: float) -> bytes:
        if seconds < _MIN_TIME_S:
            raise TimedOut(
                f"the batch has used its {self._batch_s:g} s; send this operation by itself"
            )
        try:
            request = REQUESTS[operation.type].model_validate(operation.data)
        except ValidationError as error:
            raise invalid_input(f"the operation {operation.type}", error) from error
        if request.input is not None:
            raise InvalidInput(
                f"a batch takes rows (data) only; send input to the route /{operation.type}",
                details=[{"field": "input", "message": "not in a batch"}],
            )
        return self._answer(principal, request, seconds)

    def _answer(self, principal: Principal, request: Request, seconds: float) -> bytes:
        check_inline(request.data)
        if isinstance(request, ScoreIn):
            return self._score(request, seconds)
        if request.save_as is not None and not principal.may(MANAGE):
            raise Forbidden(
                f"save_as needs the permission {MANAGE}, which the caller does not have"
            )
        save_options = None
        if request.save_as is not None:
            save_options = SaveOptions(new_ulid(), request.save_as, self._now(), principal.id)
        return self._fit(request, save_options, seconds)

    def _fit(self, request: Fit, save_options: SaveOptions | None, seconds: float) -> bytes:
        request.parameters()  # before a process is forked: they may not be valid
        computing.prepare(request, saves_model=save_options is not None)

        def work(_: ReportProgress) -> Sequence[bytes]:
            table = inline_table(request.data, request.feature_names)
            return computing.fit(request, table, save_options).parts()

        what = computing.name_of(request)
        if save_options is None and computing.is_small(request):
            return run_in_this_process(work, what)[0]
        answer, *kept = run_in_child_process(work, seconds, what)
        if kept:
            manifest, model = kept
            self.registry.save(Manifest.model_validate_json(manifest), model)
        return answer

    def _score(self, request: ScoreIn, seconds: float) -> bytes:
        manifest = self.registry.find(request.model)
        data = self.registry.file(manifest)
        computing.prepare(request, saves_model=True)

        def work(_: ReportProgress) -> Sequence[bytes]:
            names = request.feature_names or manifest.columns
            return computing.score(manifest, data, inline_table(request.data, names)).parts()

        return run_in_child_process(work, seconds, computing.name_of(request))[0]


def _entry(index: int, operation: OperationIn, result: bytes, error: bytes) -> bytes:
    status = b"ok" if error == b"null" else b"error"
    return b'{"index":%d,"type":"%b","status":"%b","result":%b,"error":%b}' % (
        index,
        operation.type.encode(),
        status,
        result,
        error,
    )


def _check(question: Callable[[], object]) -> str:
    try:
        question()
    except HearthError as error:
        return error.message
    return "ok"
