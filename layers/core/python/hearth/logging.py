"""Logs and metrics as every function writes them: Powertools, one JSON object a line on stdout.

from hearth.logging import logger
logger.info("frame judged", camera_id="gate", persons=2)
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

Handler = Callable[[dict[str, Any], Any], Any]


def _line(entry: Mapping[str, Any]) -> str:
    """One line; half a surrogate pair, which no stream can carry, stays the escape it came as."""
    text = json.dumps(entry, default=str, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


# Powertools reads POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL itself. Times are UTC.
logger = Logger(utc=True, use_rfc3339=True, json_serializer=_line)


def emit(values: Mapping[str, tuple[float, MetricUnit]], **dimensions: str) -> None:
    """Write one metrics line (CloudWatch's embedded metric format).

    Args:
        values: Metric name → (value, unit). Nothing is written when empty.
        dimensions: What the values are about, such as `kind="detection.frame"`.
    """
    if not values:
        return
    metrics = EphemeralMetrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Hearth"))
    for name, dimension in dimensions.items():
        metrics.add_dimension(name, dimension)
    for name, (value, unit) in values.items():
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()


def with_request_id(handler: Handler) -> Handler:
    """Each line logged inside `handler` carries its request id as `correlation_id`."""

    @functools.wraps(handler)
    def wrapped(event: dict[str, Any], context: Any) -> Any:
        logger.set_correlation_id(request_id_of(event, context))
        try:
            return handler(event, context)
        except Exception:
            logger.exception("the invocation failed")
            raise
        finally:
            logger.set_correlation_id(None)

    return wrapped


def request_id_of(event: Mapping[str, Any], context: Any) -> str | None:
    """API Gateway's request id when there is one, else the invocation's."""
    request = event.get("requestContext")
    if isinstance(request, Mapping) and isinstance(request.get("requestId"), str):
        return str(request["requestId"])
    invocation_id: str | None = getattr(context, "aws_request_id", None)
    return invocation_id
