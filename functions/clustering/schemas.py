"""Request and response models of the clustering API, and the payload of its jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StrictStr,
    model_validator,
)

from functions.clustering.algorithms.answers import (
    Anomaly,
    Cluster,
    ColumnImportance,
    ContributionMethod,
    CurvePoint,
    Default,
    Dropped,
    Method,
    Silhouette,
)
from functions.clustering.algorithms.parameters import (
    MAX_CLUSTERS,
    MAX_NEIGHBOURS,
    MAX_REPEATS,
    MAX_SEED,
    SEED,
    AnomalyAlgorithm,
    AnomalyParameters,
    ClusterAlgorithm,
    ClusterParameters,
    ImportanceParameters,
    Missing,
    Task,
)
from functions.clustering.limits import DATASETS, MAX_COLUMNS, MAX_OPERATIONS, MAX_ROWS
from hearth.http.query import PageQuery
from hearth.ids import ULID_PATTERN

Operation = Literal["cluster", "anomaly", "importance", "score"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# At the first wrong cell it stops: a million of them would be a million errors.
Row = Annotated[list[Number | None], FailFast()]
Rows = Annotated[
    list[Row],
    FailFast(),
    Field(
        description=f"One list of numbers a row, all of one length: up to {MAX_ROWS} rows, "
        f"{MAX_COLUMNS} columns and 10 MB (rows x columns x 8). null is an empty cell."
    ),
]
ColumnName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
S3_ADDRESS = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f]{1,1000}$"
MODEL_ID = f"^{ULID_PATTERN}$"
MODEL_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
ModelName = Annotated[
    str, Field(pattern=MODEL_NAME, description="Lower-case letters, digits, - and _.")
]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]


class Source(BaseModel):
    """Rows in the request, or the address of a file in the bucket."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["data"]}, {"required": ["input"]}]},
    )

    data: Rows = Field(default_factory=list)
    input: Annotated[
        str | None,
        Field(
            pattern=S3_ADDRESS,
            max_length=1100,
            description=f"`s3://<bucket>/{DATASETS}…` in this stack's own bucket, a file .parquet, "
            ".csv or .npy; for more rows than a request holds. The answer is 202 and a job.",
        ),
    ] = None
    feature_names: Annotated[
        list[ColumnName] | None,
        Field(
            max_length=MAX_COLUMNS,
            description="Names of the columns; by default the file's, or column_0, column_1, …",
        ),
    ] = None

    @model_validator(mode="after")
    def _one_source(self) -> Source:
        if ("data" in self.model_fields_set) == (self.input is not None):
            raise ValueError("give either data (rows) or input (an address in S3)")
        return self


class Fitting(Source):
    """Fields of every request that fits a model."""

    seed: Annotated[Seed, Field(description="Of everything that is drawn.")] = SEED
    missing: Annotated[
        Missing,
        Field(description="A row with an empty cell: refuse the request, or drop and name it."),
    ] = "refuse"
    save_as: Annotated[
        ModelName | None,
        Field(description="Keep the fitted model under this name; needs clustering:manage."),
    ] = None


class ClusterIn(Fitting):
    """Rows to group."""

    algorithm: ClusterAlgorithm = "kmeans"
    n_clusters: Annotated[
        int | None,
        Field(ge=2, le=MAX_CLUSTERS, description="Of k-means; chosen by silhouette by default."),
    ] = None
    eps: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Radius of DBSCAN in standard deviations; by default half of the mean "
            "distance to the nearest neighbour.",
        ),
    ] = None
    min_samples: Annotated[int | None, Field(ge=2, le=MAX_NEIGHBOURS)] = None
    min_cluster_size: Annotated[
        int | None, Field(ge=2, le=MAX_NEIGHBOURS, description="Of HDBSCAN; 5 by default.")
    ] = None

    def parameters(self) -> ClusterParameters:
        """Return the algorithm's parameters.

        Raises:
            InvalidInput: A field that the algorithm does not know.
        """
        return ClusterParameters(
            self.algorithm,
            self.n_clusters,
            self.eps,
            self.min_samples,
            self.min_cluster_size,
            self.seed,
            self.missing,
        )


class AnomalyIn(Fitting):
    """Rows in which to find unusual ones."""

    algorithm: AnomalyAlgorithm = "isolation_forest"
    contamination: Annotated[
        float, Field(gt=0, lt=0.5, description="The part of the rows that is labelled -1.")
    ] = 0.1

    def parameters(self) -> AnomalyParameters:
        """Return the algorithm's parameters."""
        return AnomalyParameters(self.algorithm, self.contamination, self.seed, self.missing)


class ImportanceIn(Fitting):
    """Rows, and what may depend on them."""

    target: Annotated[
        list[Number | StrictBool | Annotated[StrictStr, Field(max_length=200)] | None] | None,
        FailFast(),
        Field(description="One value a row, beside `data`.", max_length=MAX_ROWS),
    ] = None
    target_column: Annotated[
        ColumnName | None,
        Field(description="The column of `input` (or of `data`) that is the target."),
    ] = None
    task: Task = "auto"
    n_repeats: Annotated[
        int, Field(ge=2, le=MAX_REPEATS, description="How often each column is shuffled.")
    ] = 10
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="Of the intervals.")] = 0.95

    @model_validator(mode="after")
    def _one_target(self) -> ImportanceIn:
        if (self.target is None) == (self.target_column is None):
            raise ValueError("give either target (values) or target_column (a name)")
        if self.target is not None and self.input is not None:
            raise ValueError("with input, the target is one of its columns: give target_column")
        return self

    def parameters(self) -> ImportanceParameters:
        """Return the algorithm's parameters."""
        return ImportanceParameters(
            self.task, self.n_repeats, self.confidence, self.seed, self.missing
        )


class ScoreIn(Source):
    """New rows for a saved model."""

    model: Annotated[
        str,
        Field(
            pattern=f"{MODEL_NAME}|{MODEL_ID}",
            max_length=63,
            description="Id of a model, or a name: then the one that is promoted.",
        ),
    ]


Request = ClusterIn | AnomalyIn | ImportanceIn | ScoreIn
REQUESTS: dict[Operation, type[Request]] = {
    "cluster": ClusterIn,
    "anomaly": AnomalyIn,
    "importance": ImportanceIn,
    "score": ScoreIn,
}


class OperationIn(BaseModel):
    """One operation of a batch."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["cluster", "anomaly", "importance", "score"]
    data: Annotated[
        dict[str, Any], Field(description="The body that the route of that name takes.")
    ]


class BatchIn(BaseModel):
    """Operations that succeed or fail independently."""

    model_config = ConfigDict(extra="forbid")

    operations: Annotated[list[OperationIn], Field(min_length=1, max_length=MAX_OPERATIONS)]


# ---- answers ----


class ModelRef(BaseModel):
    """A model that was saved, or that answered."""

    id: str
    name: str


class Explained(BaseModel):
    """Fields of every answer."""

    algorithm: str
    method: Method
    defaults: tuple[Default, ...]
    dropped: Dropped
    model: Annotated[ModelRef | None, Field(description="Where the fitted model was kept.")]
    notes: Annotated[tuple[str, ...], Field(description="How the rows were read.")]
    processing_time: Annotated[
        float | None, Field(description="Seconds; null for a job, whose result is repeatable.")
    ]


class ClusterOut(Explained):
    """Rows in groups: one label a row, -1 is noise, -2 a row that was dropped."""

    labels: list[int]
    n_clusters: int
    n_noise: int
    curve: tuple[CurvePoint, ...]
    silhouette: Silhouette | None
    inertia: float | None
    clusters: tuple[Cluster, ...]


class AnomalyOut(Explained):
    """Unusual rows: label -1 is unusual, 1 is not, -2 was dropped; below 0 a score is unusual."""

    labels: list[int]
    scores: list[float | None]
    n_anomalies: int
    anomalies: tuple[Anomaly, ...]
    contributions: ContributionMethod


class ImportanceOut(Explained):
    """What a target depends on, the most important column first."""

    columns: tuple[ColumnImportance, ...]
    task: str
    task_reason: str
    metric: str
    score: float
    baseline: float
    rows_fitted: int
    rows_held_out: int


class ScoreOut(BaseModel):
    """The scores of a saved model for each row."""

    labels: list[int | float | str]
    scores: list[float | None] | None
    rule: str
    operation: Operation
    model: ModelRef
    notes: tuple[str, ...]
    processing_time: float | None


class ProblemOut(BaseModel):
    """The error of an operation or a job."""

    code: str
    message: str
    details: list[dict[str, Any]]


class OperationOut(BaseModel):
    """The result or the error of one operation."""

    index: int
    type: Operation
    status: Literal["ok", "error"]
    result: ClusterOut | AnomalyOut | ImportanceOut | ScoreOut | None
    error: ProblemOut | None


class BatchOut(BaseModel):
    """In the order of the operations."""

    results: list[OperationOut]
    succeeded: int
    failed: int
    processing_time: float


class JobPayload(BaseModel):
    """Payload of a clustering job."""

    model_config = ConfigDict(frozen=True)

    operation: Operation
    key: str
    request: dict[str, Any]
    requested_by: str


JobStatus = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]


class JobOut(BaseModel):
    """A job on a large set of rows."""

    job_id: str
    operation: Operation
    input: str
    status: JobStatus
    progress: Annotated[float, Field(ge=0, le=1)]
    attempts: int
    error: ProblemOut | None
    result_url: Annotated[str | None, Field(description="Where the result is, once it is done.")]
    result_key: Annotated[str, Field(description="Its key in the bucket.")]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


# ---- saved models ----


class Manifest(BaseModel):
    """The manifest of a model file; the file is loaded only if it agrees."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    model_id: str
    name: str
    operation: Literal["cluster", "anomaly", "importance"]
    algorithm: str
    parameters: dict[str, Any]
    metrics: dict[str, float | None]
    columns: tuple[str, ...]
    rows: int
    training_sha256: Annotated[str, Field(description="Of the rows it was fitted to.")]
    file_key: str
    file_bytes: int
    file_sha256: str
    libraries: Annotated[dict[str, str], Field(description="Package → version.")]
    created_at: datetime
    created_by: str


class ModelOut(Manifest):
    """A saved model."""

    promoted: Annotated[bool, Field(description="Whether its name stands for it.")]


class ModelQuery(PageQuery):
    """Query of the list of models."""

    model_config = ConfigDict(extra="forbid")

    name: ModelName | None = None


class ModelPage(BaseModel):
    """List models, newest first."""

    models: list[ModelOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


class CompareQuery(BaseModel):
    """Query of the comparison of models."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[list[Annotated[str, Field(pattern=MODEL_ID)]], Field(min_length=2, max_length=10)]


class Compared(BaseModel):
    """One property of each model, in the order asked."""

    field: Annotated[str, Field(description="Such as metrics.silhouette or parameters.n_clusters.")]
    values: list[Any]
    differs: bool


class CompareOut(BaseModel):
    """Compare models field by field."""

    models: list[ModelOut]
    same_operation: bool
    same_training_data: bool
    fields: list[Compared]


class AlgorithmOut(BaseModel):
    """An algorithm and its library."""

    name: str
    operation: Operation
    library: str


class StatusOut(BaseModel):
    """Algorithms, versions of libraries, and limits."""

    status: Literal["ready"] = "ready"
    algorithms: list[AlgorithmOut]
    libraries: dict[str, str]
    limits: dict[str, float]
    saved_models: int
    promoted: Annotated[dict[str, str], Field(description="Name → id of its model.")]


class HealthOut(BaseModel):
    """Whether database and bucket answer."""

    status: Literal["healthy", "unhealthy"]
    checks: Annotated[dict[str, str], Field(description="What → ok, or why not.")]
