"""The platform of a function: database, bucket, queues and ledger, built on first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from hearth.settings import CoreSettings

if TYPE_CHECKING:
    from hearth.cloudwatch import CloudWatch
    from hearth.db import Database
    from hearth.http.rate_limits import RateLimits
    from hearth.ledger.ledger import Ledger
    from hearth.ledger.queues import SqsQueues
    from hearth.storage import ObjectStore, S3Store


class Platform:
    """Builds each part, and imports its packages, on first use.

    Args:
        settings: The environment.
        source: Name of the capability under which its ledger publishes events; empty for one that
            publishes none.
    """

    def __init__(self, settings: CoreSettings, source: str = "") -> None:
        self.settings = settings
        self.source = source

    @cached_property
    def db(self) -> Database:
        from hearth.db import Database

        return Database(self.settings.database_url, self.settings.database_pool)

    @cached_property
    def store(self) -> S3Store:
        from hearth.aws import client
        from hearth.storage import S3Store

        return S3Store(client("s3"), self.settings.bucket)

    @property
    def store_on_demand(self) -> ObjectStore:
        """The same, for a function that few requests need it in: boto3 takes long to import."""
        return cast("ObjectStore", _StoreOnDemand(self))

    @cached_property
    def queues(self) -> SqsQueues:
        from hearth.aws import client
        from hearth.ledger.queues import SqsQueues

        return SqsQueues(client("sqs"), self.settings.queue_prefix)

    @cached_property
    def cloudwatch(self) -> CloudWatch:
        from hearth.aws import client
        from hearth.cloudwatch import CloudWatch

        return CloudWatch(client("cloudwatch"))

    @cached_property
    def ledger(self) -> Ledger:
        from hearth.ledger.events import Publisher
        from hearth.ledger.ledger import Ledger

        publisher = Publisher(self.source) if self.source else None
        return Ledger(self.db, _QueuesOnDemand(self), publisher=publisher)

    @cached_property
    def limits(self) -> RateLimits:
        from hearth.http.rate_limits import RateLimits

        return RateLimits(self.db, self.settings.requests_per_minute)


class _QueuesOnDemand:
    """A function that only reads the ledger never pays for an SQS client."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        self._platform.queues.send(queue, bodies, delay_s)


class _StoreOnDemand:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform.store, name)


def connect(settings: CoreSettings, source: str = "") -> Platform:
    """The platform that `settings` describe; nothing is reached before it is used.

    Args:
        settings: The environment.
        source: Name of the capability under which its ledger publishes events; empty for one that
            publishes none.
    """
    return Platform(settings, source)
