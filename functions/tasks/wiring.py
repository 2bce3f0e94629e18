"""Composition root of the API and of the queue function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from functions.tasks.service import TaskService
from hearth.ids import utc_now

if TYPE_CHECKING:
    from fastapi import FastAPI

    from functions.tasks.bulk import BulkService
    from functions.tasks.queries import TaskQueries
    from functions.tasks.relations import TaskRelations
    from hearth.bootstrap import Platform
    from hearth.ledger.consumer import Consumer
    from hearth.ledger.ledger import Ledger
    from hearth.resource.service import ResourceService


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes call."""

    tasks: TaskService
    relations: TaskRelations
    bulk: BulkService
    queries: TaskQueries
    saved_filters: ResourceService


def build_services(
    ledger: Ledger, zone: ZoneInfo, now: Callable[[], datetime] = utc_now
) -> Services:
    """Build the services of the API."""
    from functions.tasks.bulk import BulkService
    from functions.tasks.queries import TaskQueries
    from functions.tasks.relations import TaskRelations
    from functions.tasks.saved_filters import SAVED_FILTERS
    from hearth.resource.service import ResourceService

    tasks = TaskService(ledger, zone)
    return Services(
        tasks,
        TaskRelations(ledger, tasks),
        BulkService(ledger, tasks),
        TaskQueries(ledger.db, zone, now),
        ResourceService(SAVED_FILTERS, ledger),
    )


def build_api(platform: Platform) -> FastAPI:
    """Build the application behind `/api/v1/tasks`."""
    from functions.tasks.api import create_app

    return create_app(build_services(platform.ledger, ZoneInfo(platform.settings.timezone)))


def build_consumer(platform: Platform) -> Consumer:
    """Build the handler of the tasks queue."""
    from functions.tasks.handler import make_handler
    from functions.tasks.worker import TaskWorker

    tasks = TaskService(platform.ledger, ZoneInfo(platform.settings.timezone))
    return make_handler(platform.ledger, TaskWorker(tasks))
