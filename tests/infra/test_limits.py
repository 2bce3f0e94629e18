"""What a stack may hold: CloudFormation's resources, Lambda's environment, database connections."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from hearth_runtime.template.connections import at_home, excess, limit_of, on_aws
from hearth_runtime.template.reader import Place, TemplateSource
from scripts import connections
from tests.infra.conftest import ROOT
from tests.support.transform import transform

if TYPE_CHECKING:
    from tests.infra.conftest import Template

RESOURCES_MAX = 400
"""CloudFormation takes 500; the rest is for a user's own functions."""
ENVIRONMENT_MAX = 3000
"""Bytes; Lambda takes 4096. The rest is for long values of parameters."""
SERVER = {"DatabaseUrl": "postgresql://hearth:" + "p" * 64 + "@" + "h" * 64 + ".example.org/hearth"}


@pytest.fixture(scope="module")
def source() -> TemplateSource:
    return TemplateSource.read(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def transformed(template: Template) -> dict[str, Any]:
    return transform(json.loads(json.dumps(template.body)))


def test_the_stack_leaves_room_below_the_quota_of_resources(transformed: dict[str, Any]) -> None:
    kinds = Counter(resource["Type"] for resource in transformed["Resources"].values())
    assert kinds.total() <= RESOURCES_MAX, kinds.most_common(8)


def test_a_capability_with_an_api_and_a_queue_takes_no_more_than_twenty_resources(
    transformed: dict[str, Any],
) -> None:
    named = [name for name in transformed["Resources"] if name.startswith("Tasks")]
    assert len(named) <= 20, named


def test_every_environment_leaves_room_for_long_values(source: TemplateSource) -> None:
    given = SERVER | {"Plugins": "x" * 1000, "SiteName": "s" * 60, "SiteLocation": "l" * 60}
    template = source.resolve(given, Place("a-stack-with-quite-a-long-name"))
    sizes = {
        spec.short_name: sum(
            len(name.encode()) + len(value.encode()) for name, value in spec.environment.items()
        )
        for spec in template.functions
    }
    largest = max(sizes, key=lambda name: sizes[name])
    assert sizes[largest] <= ENVIRONMENT_MAX, (largest, sizes[largest])


def test_the_connections_of_all_functions_fit_the_database(source: TemplateSource) -> None:
    held = on_aws(source.resolve(SERVER))
    limit = limit_of(source, {})
    assert limit == 100
    # PostgreSQL keeps three of them for its administrator.
    assert sum(held.values()) <= limit - 3, held
    assert "docs" not in held
    assert connections.main([]) is None


def test_a_deployment_that_could_need_more_connections_is_refused_with_the_remedy() -> None:
    problem = connections.main(["ApiConcurrency=20", "SiteName=a=b"])
    assert problem is not None
    assert re.fullmatch(
        r"The functions may open 2\d\d connections to the database, which admits 100: lower"
        r" ApiConcurrency, or raise DatabaseConnections and the database's own limit\.",
        problem,
    )
    assert connections.main(["ApiConcurrency=20", "DatabaseConnections=400"]) is None
    assert connections.main(["ApiConcurrency=20", "Database=dsql"]) is None


def test_at_home_the_replicas_count(source: TemplateSource) -> None:
    template = source.resolve(SERVER)
    one_each = at_home(template, {})
    assert set(one_each.values()) == {1}
    assert excess(at_home(template, {"tasks-api": 4}), len(one_each) + 3, "--replicas") is None
    problem = excess(at_home(template, {"tasks-api": 5}), len(one_each) + 3, "--replicas")
    assert problem is not None
    assert "lower --replicas, or raise DatabaseConnections" in problem
    assert at_home(source.resolve({"DatabaseUrl": "sqlite:////a/b.db"}), {"tasks-api": 500}) == {}


def test_a_function_without_a_bound_is_refused(source: TemplateSource) -> None:
    document = TemplateSource(
        {
            "Resources": {
                "F": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "FunctionName": "hearth-f",
                        "ImageConfig": {"Command": ["a.b"]},
                        "Environment": {"Variables": {"DATABASE_URL": "postgresql://h/x"}},
                    },
                }
            }
        }
    )
    with pytest.raises(ValueError, match="f has no bounded concurrency"):
        on_aws(document.resolve({}))
