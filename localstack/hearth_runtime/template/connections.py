"""How many connections to the database a stack may open: its budget.

PostgreSQL admits 100 unless told otherwise, and refuses the next. Each process of a function holds
as many as its pool (DATABASE_POOL), so what counts is how many processes there may be: on AWS the
reserved or mapped concurrency, at home the replicas. SQLite and Aurora DSQL have no such limit.
"""

from __future__ import annotations

from collections.abc import Mapping

from .model import Template
from .reader import TemplateSource

LIMIT_PARAMETER = "DatabaseConnections"
_UNLIMITED = ("sqlite:", "postgresql+dsql:")
_DSQL_HOST = ".dsql."


def on_aws(template: Template) -> dict[str, int]:
    """Function → connections that it may hold where each invocation has a process of its own.

    Raises:
        ValueError: A function's concurrency has no bound.
    """
    mapped: dict[str, list[int | None]] = {}
    for mapping in template.mappings:
        mapped.setdefault(mapping.function, []).append(mapping.maximum_concurrency)
    found = {}
    for function, pool in _pools(template).items():
        (spec,) = (spec for spec in template.functions if spec.short_name == function)
        by_queue = mapped.get(spec.name, [])
        if spec.reserved_concurrency is not None:
            at_once = spec.reserved_concurrency
        elif by_queue and all(by_queue):
            at_once = sum(one or 0 for one in by_queue)
        else:
            raise ValueError(f"{function} has no bounded concurrency; reserve some")
        found[function] = at_once * pool
    return found


def at_home(template: Template, replicas: Mapping[str, int]) -> dict[str, int]:
    """Function → connections that it may hold with so many processes of it; 1 if not named."""
    return {
        function: replicas.get(function, 1) * pool for function, pool in _pools(template).items()
    }


def limit_of(source: TemplateSource, given: Mapping[str, str]) -> int | None:
    """Connections that the database admits; None where the template does not say."""
    declared = source.parameters.get(LIMIT_PARAMETER)
    if declared is None:
        return None
    return int(given.get(LIMIT_PARAMETER) or declared["Default"])


def excess(held: Mapping[str, int], limit: int | None, remedy: str) -> str | None:
    """One sentence where `held` is more than `limit`, else None.

    Args:
        held: Function → connections.
        limit: Of the database; None admits any number.
        remedy: What to lower.
    """
    total = sum(held.values())
    if limit is None or total <= limit:
        return None
    return (
        f"The functions may open {total} connections to the database, which admits {limit}:"
        f" lower {remedy}, or raise {LIMIT_PARAMETER} and the database's own limit."
    )


def _pools(template: Template) -> dict[str, int]:
    return {
        spec.short_name: int(spec.environment.get("DATABASE_POOL") or 1)
        for spec in template.functions
        if (url := spec.environment.get("DATABASE_URL"))
        and not url.startswith(_UNLIMITED)
        and _DSQL_HOST not in url
    }
