"""What an algorithm found, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from functions.clustering.algorithms.fitted import (
        AnomalyModel,
        ClusterModel,
        ImportanceModel,
    )

NOISE: Final = -1
DROPPED: Final = -2
"""The label of a row that was dropped. Its score is NaN."""


@dataclass(frozen=True, slots=True)
class Default:
    """A value that the caller left open.

    Attributes:
        field: `n_clusters`, `eps`, …
        value: What was taken.
        reason: Why this one; a sentence.
    """

    field: str
    value: float | int | str
    reason: str


@dataclass(frozen=True, slots=True)
class Method:
    """How the answer was made.

    Attributes:
        algorithm: As it was asked for.
        implementation: What ran: `scikit-learn KMeans`, `inverted file (IVF) + union-find`, …
        exact: Whether the result is that of the textbook's algorithm, rather than near it.
        reason: Why this implementation; a sentence that names the size.
        notes: What else was sampled, bounded or left out, a sentence each.
    """

    algorithm: str
    implementation: str
    exact: bool
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was left out of the computation.

    Attributes:
        rows: Zero-based indices of rows that had an empty cell, ascending; all of them.
        columns: Names of columns that hold one value only, and so tell nothing.
    """

    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One k that was tried.

    Attributes:
        k: Number of clusters.
        inertia: Sum of squared distances to the nearest centroid, in standardised units.
        silhouette: -1 to 1; the k with the greatest was chosen.
    """

    k: int
    inertia: float
    silhouette: float


@dataclass(frozen=True, slots=True)
class Silhouette:
    """How much nearer rows are to their own cluster than to the next.

    Attributes:
        mean: -1 to 1; over `rows` rows that are in a cluster.
        rows: How many rows it was computed on.
        sampled: Whether these are a sample.
    """

    mean: float
    rows: int
    sampled: bool


@dataclass(frozen=True, slots=True)
class DistinguishingFeature:
    """A column in which a cluster differs from the other rows.

    Attributes:
        column: Its name.
        mean_inside: Of the cluster's rows, in the column's own units.
        mean_outside: Of all other rows that are in a cluster or noise.
        effect: Standardised mean difference (Cohen's d with the pooled standard deviation);
            0.2 is small, 0.8 large. Bounded to ±99.
    """

    column: str
    mean_inside: float
    mean_outside: float
    effect: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, explained.

    Attributes:
        label: As in the labels.
        size: Rows.
        centroid: Mean of its rows by column (constant columns included), in the columns' own units.
        distinguishing: The columns that tell it from the others, the strongest first; at most 5.
        examples: Zero-based indices of the rows nearest to the centroid, the nearest first; at
            most 3.
        silhouette: Mean over its (sampled) rows; None where it is not defined.
    """

    label: int
    size: int
    centroid: dict[str, float]
    distinguishing: tuple[DistinguishingFeature, ...]
    examples: tuple[int, ...]
    silhouette: float | None


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """Rows in groups.

    Attributes:
        labels: int64, one a row of the input: 0, 1, … by falling size; -1 noise; -2 dropped.
        n_clusters: Noise is not one.
        n_noise: Rows with the label -1.
        method: How it was done.
        defaults: Every value that the caller left open.
        dropped: What was left out.
        curve: The values of k that were tried; empty where k was given or there is none.
        silhouette: None with fewer than two clusters.
        inertia: Of k-means, in standardised units; None for the others.
        clusters: The largest first; at most 100.
        model: To label new rows with.
    """

    labels: NDArray[np.int64]
    n_clusters: int
    n_noise: int
    method: Method
    defaults: tuple[Default, ...]
    dropped: Dropped
    curve: tuple[CurvePoint, ...]
    silhouette: Silhouette | None
    inertia: float | None
    clusters: tuple[Cluster, ...]
    model: ClusterModel


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one column has to do with a row being unusual.

    Attributes:
        column: Its name.
        value: The row's, in the column's own units.
        typical: The column's median.
        contribution: Positive makes the row more unusual; in the unit that `contributions` names.
    """

    column: str
    value: float
    typical: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An unusual row, explained.

    Attributes:
        row: Zero-based index in the input.
        score: As in the scores.
        contributions: The columns that matter most, the greatest first; at most 5.
        rest: Sum of all other columns' contributions.
    """

    row: int
    score: float
    contributions: tuple[Contribution, ...]
    rest: float


@dataclass(frozen=True, slots=True)
class ContributionMethod:
    """How contributions were computed.

    Attributes:
        name: `path length`, `squared z-score` or `occlusion`.
        unit: What one of them measures.
        additive: Whether they add up to the score's own quantity.
        description: A sentence.
    """

    name: Literal["path length", "squared z-score", "occlusion"]
    unit: str
    additive: bool
    description: str


@dataclass(frozen=True, slots=True)
class AnomalyAnswer:
    """Rows that are unlike the others.

    Attributes:
        labels: int64, one a row of the input: 1 usual, -1 unusual, -2 dropped.
        scores: float64, the decision function: below 0 is unusual, the lower the more; NaN for
            dropped rows.
        n_anomalies: Rows with the label -1.
        method: How it was done.
        defaults: Every value that the caller left open.
        dropped: What was left out.
        anomalies: The most unusual first; at most 100.
        contributions: How they are explained.
        model: To judge new rows with.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    n_anomalies: int
    method: Method
    defaults: tuple[Default, ...]
    dropped: Dropped
    anomalies: tuple[Anomaly, ...]
    contributions: ContributionMethod
    model: AnomalyModel


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """How much worse the forest predicts when a column is shuffled.

    Attributes:
        column: Its name.
        importance: Mean loss of `metric` on rows that the forest has not seen.
        low, high: Confidence interval of that mean (Student's t over the repeats). It covers the
            shuffling, not the choice of the rows.
        share_of_splits: The forest's own (impurity) importance, 0 to 1.
        significant: Whether the interval lies above 0.
    """

    column: str
    importance: float
    low: float
    high: float
    share_of_splits: float
    significant: bool


@dataclass(frozen=True, slots=True)
class ImportanceAnswer:
    """What a target depends on.

    Attributes:
        columns: The most important first.
        task: `regression` or `classification`.
        task_reason: Why; a sentence.
        metric: `r2` or `balanced_accuracy`.
        score: The forest's, on rows that it has not seen.
        baseline: What predicting without columns scores (0 for r2, 1 / classes).
        rows_fitted, rows_held_out: How many.
        method: How it was done.
        defaults: Every value that the caller left open.
        dropped: What was left out.
        model: The forest, to predict the target of new rows.
    """

    columns: tuple[ColumnImportance, ...]
    task: Literal["regression", "classification"]
    task_reason: str
    metric: Literal["r2", "balanced_accuracy"]
    score: float
    baseline: float
    rows_fitted: int
    rows_held_out: int
    method: Method
    defaults: tuple[Default, ...]
    dropped: Dropped
    model: ImportanceModel


@dataclass(frozen=True, slots=True)
class Scores:
    """What a fitted model says of new rows.

    Attributes:
        labels: One a row: int64 clusters (-1 noise) or 1/-1 for anomalies; predicted values
            (float64) or classes (str, or the numbers that were given) for a target.
        scores: float64 or None: distance to the centroid or the nearest core row (standardised
            units), the decision function, or the probability of the predicted class.
        rule: How a label was decided; a sentence.
    """

    labels: NDArray[np.int64] | NDArray[np.float64] | NDArray[np.str_]
    scores: NDArray[np.float64] | None
    rule: str
