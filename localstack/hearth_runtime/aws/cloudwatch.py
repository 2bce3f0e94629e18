"""Publishes Lambda's metrics of functions once a minute to the endpoint's CloudWatch.

So whoever asks how functions are doing asks the same question here and on AWS, and gets the answer
from the same place. Only functions that were used are published: an idle one costs nothing.

AWS itself takes no metrics in a namespace of its own: where the endpoint is AWS, or has no
CloudWatch, that is logged once, and functions look idle.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hearth_runtime.observe.logs import LogStream

from .endpoint import AwsEndpoint

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import MetricDatumTypeDef

NAMESPACE = "AWS/Lambda"
PERIOD_S = 60.0
MAX_VALUES = 150
"""Different durations that PutMetricData takes at once."""
_DATA_AT_ONCE = 500
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class Activity:
    """What one function did since it was last asked; a thread asks, the event loop counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._milliseconds: Counter[float] = Counter()

    def ended(self, seconds: float, failed: bool) -> None:
        """Count one invocation."""
        with self._lock:
            self._counts["Invocations"] += 1
            self._counts["Errors"] += failed
            self._milliseconds[float(f"{seconds * 1000:.2g}")] += 1

    def throttled(self) -> None:
        """Count one that was refused."""
        with self._lock:
            self._counts["Throttles"] += 1

    def take(self) -> tuple[Counter[str], Counter[float]]:
        """Counts by metric, and how many invocations took how long (ms, two digits)."""
        with self._lock:
            taken = self._counts, self._milliseconds
            self._counts, self._milliseconds = Counter(), Counter()
        return taken


class MetricsPublisher:
    """Tells the endpoint's CloudWatch what functions do.

    Args:
        activities: By the name that CloudWatch shall know the function by.
    """

    def __init__(
        self, activities: Mapping[str, Activity], endpoint: AwsEndpoint, logs: LogStream
    ) -> None:
        self._activities = activities
        self._endpoint = endpoint
        self._logs = logs
        self._warned = False
        self._client: CloudWatchClient | None = None

    async def run(self) -> None:
        """Publish once a minute."""
        try:
            while True:
                await asyncio.sleep(PERIOD_S)
                await asyncio.to_thread(self.publish)
        finally:
            if self._client is not None:
                self._client.close()
                self._client = None

    def publish(self) -> None:
        """Tell what was done since the last time. What cannot be is dropped, and that logged."""
        now = datetime.now(UTC)
        data = [
            datum
            for name, activity in self._activities.items()
            for datum in _data(name, now, *activity.take())
        ]
        if not data:
            return
        try:
            if self._client is None:
                self._client = _client(self._endpoint)
            for start in range(0, len(data), _DATA_AT_ONCE):
                self._client.put_metric_data(
                    Namespace=NAMESPACE, MetricData=data[start : start + _DATA_AT_ONCE]
                )
        except (BotoCoreError, ClientError, OSError) as error:
            if not self._warned:
                self._logs.write("WARNING", "metrics are not published", error=str(error))
            self._warned = True
        else:
            self._warned = False


def _data(
    name: str, now: datetime, counts: Mapping[str, int], milliseconds: Counter[float]
) -> Iterable[MetricDatumTypeDef]:
    common: Any = {"Timestamp": now, "Dimensions": [{"Name": "FunctionName", "Value": name}]}
    for metric, number in counts.items():
        if number:
            yield common | {"MetricName": metric, "Value": float(number), "Unit": "Count"}
    if len(milliseconds) > MAX_VALUES:
        coarse: Counter[float] = Counter()
        for value, number in milliseconds.items():
            coarse[float(f"{value:.1g}")] += number
        milliseconds = coarse
    if milliseconds:
        values = sorted(milliseconds)
        yield common | {
            "MetricName": "Duration",
            "Unit": "Milliseconds",
            "Values": values,
            "Counts": [float(milliseconds[value]) for value in values],
        }


def _client(endpoint: AwsEndpoint) -> CloudWatchClient:
    session = boto3.Session(
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        aws_session_token=endpoint.session_token,
        region_name=endpoint.region,
    )
    return session.client("cloudwatch", endpoint_url=endpoint.url, config=_CONFIG)
