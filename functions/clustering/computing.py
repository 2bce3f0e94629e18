"""Runs one operation from its rows to its answer, for requests and jobs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from functions.clustering.algorithms.parameters import field_error
from functions.clustering.limits import SMALL_CLUSTERS, SMALL_ROWS, SMALL_VALUES
from functions.clustering.rows import fingerprint
from functions.clustering.saved.registry import file_key
from functions.clustering.schemas import (
    AnomalyIn,
    AnomalyOut,
    ClusterIn,
    ClusterOut,
    ImportanceIn,
    ImportanceOut,
    Manifest,
    ModelRef,
    Request,
    ScoreIn,
    ScoreOut,
)
from functions.clustering.versions import libraries

if TYPE_CHECKING:
    from functions.clustering.algorithms.answers import (
        AnomalyAnswer,
        ClusterAnswer,
        ImportanceAnswer,
    )
    from functions.clustering.algorithms.matrix import Table

Fit = ClusterIn | AnomalyIn | ImportanceIn
Target = Sequence[float | str | bool | None]
ReportProgress = Callable[[str, float], None]
"""Called between stages with the next stage and the progress, 0..1."""


def unchecked(_: str, __: float) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """How a fitted model is saved.

    Attributes:
        at: When it was fitted, timezone-aware.
        who: Id of the caller.
    """

    model_id: str
    name: str
    at: datetime
    who: str


@dataclass(frozen=True, slots=True)
class Computed:
    """The result of an operation.

    Attributes:
        answer: JSON.
        model: The file of the fitted model, if it is saved.
        manifest: The manifest of the file.
    """

    answer: bytes
    model: bytes | None = None
    manifest: Manifest | None = None

    def parts(self) -> list[bytes]:
        """Return answer, manifest and model as bytes, for the pipe between processes."""
        if self.model is None or self.manifest is None:
            return [self.answer]
        return [self.answer, self.manifest.model_dump_json().encode(), self.model]


def name_of(request: Request) -> str:
    """Return the algorithm's name in errors."""
    if isinstance(request, ScoreIn):
        return "scoring"
    return "the random forest" if isinstance(request, ImportanceIn) else request.algorithm


def is_small(request: Request) -> bool:
    """Whether the request is small enough to need no time limit."""
    if isinstance(request, ClusterIn):
        if (request.n_clusters or 0) > SMALL_CLUSTERS:
            return False
    elif not isinstance(request, AnomalyIn):
        return False
    rows, columns = len(request.data), len(request.data[0])
    return rows <= SMALL_ROWS and rows * columns <= SMALL_VALUES


def prepare(request: Request, saves_model: bool) -> None:
    """Import what a request needs, before its time starts and before a process is forked for it.

    The first import takes a second, and imports of a child are lost when it ends.
    """
    algorithm = {
        ClusterIn: "clusters",
        AnomalyIn: "anomalies",
        ImportanceIn: "importance",
        ScoreIn: "scoring",
    }[type(request)]
    import_module(f"functions.clustering.algorithms.{algorithm}")
    # scikit-learn asks narwhals whether rows are a data frame; the first time that looks through
    # all installed packages, for 80 ms in every child.
    import_module("narwhals.stable.v2").dependencies.is_into_dataframe(())
    if saves_model:
        import_module("functions.clustering.saved.model_file")
        import_module("skops.io")


def split_target(table: Table, request: ImportanceIn) -> tuple[Table, Target]:
    """Split a table into features and target.

    Raises:
        InvalidInput: The column does not exist, or is the only one.
    """
    if request.target is not None:
        return table, request.target
    from functions.clustering.algorithms.matrix import Table as TableOf

    name = str(request.target_column)
    if name not in table.columns:
        shown = ", ".join(table.columns[:20])
        raise field_error("target_column", f"there is no column {name!r}; there are {shown}")
    if len(table.columns) == 1:
        raise field_error("target_column", "there is no column beside the target")
    at = table.columns.index(name)
    import numpy as np

    target = [None if value != value else float(value) for value in table.values[:, at]]
    others = tuple(column for column in table.columns if column != name)
    return TableOf(np.delete(table.values, at, axis=1), others), target


def fit(
    request: Fit,
    table: Table,
    save_options: SaveOptions | None = None,
    notes: Sequence[str] = (),
    check: ReportProgress = unchecked,
    timed: bool = True,
) -> Computed:
    """Run the algorithm of a request.

    Args:
        save_options: How the fitted model is saved; None when it is not saved.
        notes: Remarks about how the rows were read.
        check: Called between stages; may raise to stop.
        timed: Whether the answer contains the time; without it, the same rows give the same bytes.

    Raises:
        InvalidInput: Rows or parameters are not valid for the algorithm.
    """
    began = time.perf_counter()
    check(name_of(request), 0.0)
    answer, target = _run(request, table)
    common: dict[str, Any] = {
        "method": answer.method,
        "defaults": answer.defaults,
        "dropped": answer.dropped,
        "algorithm": answer.method.algorithm,
        "model": ModelRef(id=save_options.model_id, name=save_options.name)
        if save_options
        else None,
        "notes": tuple(notes),
        "processing_time": round(time.perf_counter() - began, 6) if timed else None,
    }
    response = _to_response(answer, common).model_dump_json().encode()
    if save_options is None:
        return Computed(response)
    check("writing the model", 0.95)
    from functions.clustering.saved.model_file import dump_model

    model = dump_model(answer.model)
    digest = fingerprint(table)
    if target is not None:
        digest = hashlib.sha256(f"{digest} {json.dumps(list(target))}".encode()).hexdigest()
    manifest = Manifest(
        model_id=save_options.model_id,
        name=save_options.name,
        operation=_operation(request),
        algorithm=answer.method.algorithm,
        parameters=asdict(request.parameters()),
        metrics=_metrics(answer),
        columns=table.columns,
        rows=len(table.values),
        training_sha256=digest,
        file_key=file_key(save_options.model_id),
        file_bytes=len(model),
        file_sha256=hashlib.sha256(model).hexdigest(),
        libraries=libraries(),
        created_at=save_options.at,
        created_by=save_options.who,
    )
    return Computed(response, model, manifest)


def score(
    manifest: Manifest, data: bytes, table: Table, notes: Sequence[str] = (), timed: bool = True
) -> Computed:
    """Score new rows with a saved model.

    Args:
        data: The bytes of the model's file.


    Raises:
        ModelFailed: The file contains another model, or cannot be loaded.
        InvalidInput: The rows do not fit the model.
    """
    from functions.clustering.algorithms.scoring import score as judge
    from functions.clustering.saved.model_file import load_model
    from hearth.errors import ModelFailed

    began = time.perf_counter()
    model = load_model(data)
    if model.columns != manifest.columns:
        raise ModelFailed(f"the file of model {manifest.model_id} is that of another model")
    scores = judge(model, table)
    answer = ScoreOut(
        labels=scores.labels.tolist(),
        scores=None if scores.scores is None else _numbers(scores.scores.tolist()),
        rule=scores.rule,
        operation=manifest.operation,
        model=ModelRef(id=manifest.model_id, name=manifest.name),
        notes=tuple(notes),
        processing_time=round(time.perf_counter() - began, 6) if timed else None,
    )
    return Computed(answer.model_dump_json().encode())


def _run(
    request: Fit, table: Table
) -> tuple[ClusterAnswer | AnomalyAnswer | ImportanceAnswer, Target | None]:
    if isinstance(request, ClusterIn):
        from functions.clustering.algorithms.clusters import cluster

        return cluster(table, request.parameters()), None
    if isinstance(request, AnomalyIn):
        from functions.clustering.algorithms.anomalies import find_anomalies

        return find_anomalies(table, request.parameters()), None
    from functions.clustering.algorithms.importance import importance

    others, target = split_target(table, request)
    return importance(others, target, request.parameters()), target


def _to_response(
    answer: ClusterAnswer | AnomalyAnswer | ImportanceAnswer, common: dict[str, Any]
) -> ClusterOut | AnomalyOut | ImportanceOut:
    from functions.clustering.algorithms.answers import AnomalyAnswer, ClusterAnswer

    if isinstance(answer, ClusterAnswer):
        return ClusterOut(
            labels=answer.labels.tolist(),
            n_clusters=answer.n_clusters,
            n_noise=answer.n_noise,
            curve=answer.curve,
            silhouette=answer.silhouette,
            inertia=answer.inertia,
            clusters=answer.clusters,
            **common,
        )
    if isinstance(answer, AnomalyAnswer):
        return AnomalyOut(
            labels=answer.labels.tolist(),
            scores=_numbers(answer.scores.tolist()),
            n_anomalies=answer.n_anomalies,
            anomalies=answer.anomalies,
            contributions=answer.contributions,
            **common,
        )
    return ImportanceOut(
        columns=answer.columns,
        task=answer.task,
        task_reason=answer.task_reason,
        metric=answer.metric,
        score=answer.score,
        baseline=answer.baseline,
        rows_fitted=answer.rows_fitted,
        rows_held_out=answer.rows_held_out,
        **common,
    )


def _metrics(answer: ClusterAnswer | AnomalyAnswer | ImportanceAnswer) -> dict[str, float | None]:
    from functions.clustering.algorithms.answers import AnomalyAnswer, ClusterAnswer

    if isinstance(answer, ClusterAnswer):
        return {
            "n_clusters": answer.n_clusters,
            "n_noise": answer.n_noise,
            "silhouette": answer.silhouette.mean if answer.silhouette else None,
            "inertia": answer.inertia,
        }
    if isinstance(answer, AnomalyAnswer):
        return {"n_anomalies": answer.n_anomalies}
    return {answer.metric: answer.score, "baseline": answer.baseline}


def _operation(request: Fit) -> Any:
    if isinstance(request, ClusterIn):
        return "cluster"
    return "anomaly" if isinstance(request, AnomalyIn) else "importance"


def _numbers(values: list[float]) -> list[float | None]:
    """Replace NaN, which JSON has not, by null."""
    return [None if value != value else value for value in values]
