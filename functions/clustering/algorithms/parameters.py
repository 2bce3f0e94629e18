"""What a caller may choose, and within which limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from hearth.errors import InvalidInput

ClusterAlgorithm = Literal["kmeans", "minibatch", "dbscan", "hdbscan"]
AnomalyAlgorithm = Literal["isolation_forest", "robust_zscore", "local_outlier_factor"]
Task = Literal["auto", "regression", "classification"]
Missing = Literal["refuse", "drop"]

MAX_CLUSTERS: Final = 100
MAX_NEIGHBOURS: Final = 100
"""Of `min_samples` and `min_cluster_size`."""
MAX_REPEATS: Final = 50
SEED: Final = 42
MAX_SEED: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ClusterParameters:
    """How rows are to be grouped. What is `None` is chosen, and the answer says how.

    Attributes:
        algorithm: `kmeans`, `minibatch` (k-means by mini-batches), `dbscan` or `hdbscan`.
        n_clusters: Of k-means; 2 to 100. By default chosen by silhouette between 2 and
            min(8, max(2, rows // 10)).
        eps: Radius of DBSCAN, in standard deviations; above 0. By default half of the mean distance
            to the nearest neighbour.
        min_samples: Rows within the radius (the row itself counts) that make a row a core; 2 for
            DBSCAN, `min_cluster_size` for HDBSCAN.
        min_cluster_size: Of HDBSCAN; 5.
        seed: Of everything that is drawn.
        missing: What becomes of a row with an empty cell (NaN): `refuse` the request, or `drop` the
            row and name it. Infinity is always refused.

    Raises:
        InvalidInput: A field out of its limits, or one that the algorithm does not know.
    """

    algorithm: ClusterAlgorithm = "kmeans"
    n_clusters: int | None = None
    eps: float | None = None
    min_samples: int | None = None
    min_cluster_size: int | None = None
    seed: int = SEED
    missing: Missing = "refuse"

    def __post_init__(self) -> None:
        _one_of("algorithm", self.algorithm, get_args(ClusterAlgorithm))
        _one_of("missing", self.missing, get_args(Missing))
        _whole("seed", self.seed, 0, MAX_SEED)
        _whole("n_clusters", self.n_clusters, 2, MAX_CLUSTERS)
        _whole("min_samples", self.min_samples, 2, MAX_NEIGHBOURS)
        _whole("min_cluster_size", self.min_cluster_size, 2, MAX_NEIGHBOURS)
        if self.eps is not None and not (_is_number(self.eps) and 0 < self.eps < math.inf):
            raise field_error("eps", f"eps is {self.eps!r}; it is a radius: a number above 0")
        known = {
            "kmeans": {"n_clusters"},
            "minibatch": {"n_clusters"},
            "dbscan": {"eps", "min_samples"},
            "hdbscan": {"min_samples", "min_cluster_size"},
        }[self.algorithm]
        for field in ("n_clusters", "eps", "min_samples", "min_cluster_size"):
            if getattr(self, field) is not None and field not in known:
                raise field_error(
                    field, f"{self.algorithm} knows no {field}; it takes {', '.join(sorted(known))}"
                )


@dataclass(frozen=True, slots=True)
class AnomalyParameters:
    """How unusual rows are to be found.

    Attributes:
        algorithm: `isolation_forest`, `robust_zscore` or `local_outlier_factor`.
        contamination: The part of the rows that is labelled -1; above 0 and below 0.5.
        seed: Of the forest.
        missing: As for clusters.

    Raises:
        InvalidInput: A field out of its limits.
    """

    algorithm: AnomalyAlgorithm = "isolation_forest"
    contamination: float = 0.1
    seed: int = SEED
    missing: Missing = "refuse"

    def __post_init__(self) -> None:
        _one_of("algorithm", self.algorithm, get_args(AnomalyAlgorithm))
        _one_of("missing", self.missing, get_args(Missing))
        _whole("seed", self.seed, 0, MAX_SEED)
        if not (_is_number(self.contamination) and 0 < self.contamination < 0.5):
            raise field_error(
                "contamination",
                f"contamination is {self.contamination!r}; it is the part of the rows that is"
                " unusual: above 0 and below 0.5",
            )


@dataclass(frozen=True, slots=True)
class ImportanceParameters:
    """How the columns that a target depends on are to be found.

    Attributes:
        task: `regression`, `classification`, or `auto`: chosen by the target.
        n_repeats: How often each column is shuffled; 2 to 50.
        confidence: Of the intervals; above 0.5 and below 1.
        seed: Of the forest, the split and the shuffling.
        missing: As for clusters; a row without a target counts as one with an empty cell.

    Raises:
        InvalidInput: A field out of its limits.
    """

    task: Task = "auto"
    n_repeats: int = 10
    confidence: float = 0.95
    seed: int = SEED
    missing: Missing = "refuse"

    def __post_init__(self) -> None:
        _one_of("task", self.task, get_args(Task))
        _one_of("missing", self.missing, get_args(Missing))
        _whole("seed", self.seed, 0, MAX_SEED)
        _whole("n_repeats", self.n_repeats, 2, MAX_REPEATS)
        if not (_is_number(self.confidence) and 0.5 < self.confidence < 1):
            raise field_error(
                "confidence", f"confidence is {self.confidence!r}; it is above 0.5 and below 1"
            )


def field_error(field: str, message: str) -> InvalidInput:
    """The error that names the field (`data[3][1]`, `eps`)."""
    return InvalidInput(message, details=[{"field": field, "message": message}])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise field_error(field, f"{field} is {value!r}; it is one of {', '.join(choices)}")


def _whole(field: str, value: object, least: int, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise field_error(
            field, f"{field} is {value!r}; it is a whole number from {least} to {most}"
        )
