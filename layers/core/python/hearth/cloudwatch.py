"""What CloudWatch knows of functions: how often they ran, failed and were refused, and how long it
took. AWS publishes that; at home the runtime does, under the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hearth.errors import Forbidden, Unavailable

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

PERIOD_S = 3600
_NAMESPACE = "AWS/Lambda"
_SUMS = ("Invocations", "Errors", "Throttles")
_PERCENTILES = ("p50", "p95")
_QUERIES_AT_ONCE = 500
"""What GetMetricData takes."""


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """One function over some hours; the durations (ms) are None where it did not run.

    Percentiles of hours cannot be added up: `p50_ms` is that of the newest hour in which it ran,
    `p95_ms` the largest of all.
    """

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


class CloudWatch:
    """Reads metrics.

    Args:
        client: A boto3 CloudWatch client (`hearth.aws.client("cloudwatch")`).
    """

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def functions(
        self, names: Sequence[str], begins: datetime, ends: datetime
    ) -> dict[str, FunctionFigures]:
        """The figures of each of `names`, from one full hour to another.

        Raises:
            Forbidden: Reading metrics is not allowed.
            Unavailable: CloudWatch does not answer.
        """
        wanted = [
            (name, metric, statistic)
            for name in names
            for metric, statistic in (
                *((metric, "Sum") for metric in _SUMS),
                *(("Duration", statistic) for statistic in _PERCENTILES),
            )
        ]
        found: dict[tuple[str, str], list[float]] = {}
        for start in range(0, len(wanted), _QUERIES_AT_ONCE):
            part = wanted[start : start + _QUERIES_AT_ONCE]
            for number, values in self._values(part, begins, ends).items():
                name, metric, statistic = part[number]
                found[name, metric if statistic == "Sum" else statistic] = values
        return {name: _figures(name, found) for name in names}

    def _values(
        self, wanted: Sequence[tuple[str, str, str]], begins: datetime, ends: datetime
    ) -> dict[int, list[float]]:
        """Number of the question → values, the newest first."""
        from botocore.exceptions import BotoCoreError, ClientError

        queries: list[MetricDataQueryTypeDef] = [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": _NAMESPACE,
                        "MetricName": metric,
                        "Dimensions": [{"Name": "FunctionName", "Value": name}],
                    },
                    "Period": PERIOD_S,
                    "Stat": statistic,
                },
            }
            for number, (name, metric, statistic) in enumerate(wanted)
        ]
        points: dict[int, dict[datetime, float]] = {}
        request: dict[str, Any] = {
            "MetricDataQueries": queries,
            "StartTime": begins,
            "EndTime": ends,
            "ScanBy": "TimestampDescending",
        }
        try:
            for page in self._client.get_paginator("get_metric_data").paginate(**request):
                for result in page["MetricDataResults"]:
                    points.setdefault(int(result["Id"][1:]), {}).update(
                        zip(result["Timestamps"], result["Values"], strict=True)
                    )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"AccessDenied", "AccessDeniedException"}:
                raise Forbidden("reading CloudWatch's metrics is not allowed") from error
            raise Unavailable(f"CloudWatch rejected the request for metrics ({code})") from error
        except BotoCoreError as error:
            raise Unavailable(f"CloudWatch does not answer ({type(error).__name__})") from error
        # Not every CloudWatch keeps to ScanBy.
        return {
            number: [values[when] for when in sorted(values, reverse=True)]
            for number, values in points.items()
        }


def _figures(name: str, found: dict[tuple[str, str], list[float]]) -> FunctionFigures:
    invocations, errors, throttles = (round(sum(found.get((name, one), []))) for one in _SUMS)
    median, slow = (found.get((name, one), []) for one in _PERCENTILES)
    return FunctionFigures(
        invocations,
        errors,
        throttles,
        median[0] if median else None,
        max(slow) if slow else None,
    )
