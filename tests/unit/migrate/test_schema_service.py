from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.migrate.schemas import CustomResourceRequest, CustomResourceResponse
from functions.migrate.service import PHYSICAL_ID, SchemaService
from hearth.errors import Unavailable
from tests.support.events import load_event


def _request(case: str, **changes: object) -> CustomResourceRequest:
    return CustomResourceRequest.model_validate(load_event(f"migrate/{case}", **changes))


class Schema:
    """A database that notes which revisions it was brought to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.revisions: list[str] = []
        self._error = error

    def upgrade(self, revision: str) -> str:
        if self._error is not None:
            raise self._error
        self.revisions.append(revision)
        return revision


@pytest.mark.parametrize("case", ["cloudformation_create", "cloudformation_update"])
def test_a_deployment_brings_the_schema_to_its_revision(case: str) -> None:
    schema = Schema()
    request = _request(case)

    answer = SchemaService(schema.upgrade).apply(request)

    assert schema.revisions == ["0004"]
    assert answer == CustomResourceResponse(
        status="SUCCESS",
        physical_resource_id=PHYSICAL_ID,
        stack_id=request.stack_id,
        request_id=request.request_id,
        logical_resource_id="Schema",
        data={"Revision": "0004"},
    )


def test_deleting_the_stack_keeps_the_data_even_when_the_database_is_gone() -> None:
    schema = Schema(Unavailable("no database"))

    answer = SchemaService(schema.upgrade).apply(_request("cloudformation_delete"))

    assert answer.status == "SUCCESS"
    assert schema.revisions == []


def test_the_physical_id_of_a_stack_does_not_change() -> None:
    request = _request("cloudformation_update", PhysicalResourceId="named-by-an-older-version")

    answer = SchemaService(Schema().upgrade).apply(request)

    assert answer.physical_resource_id == "named-by-an-older-version"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("the database does not answer"), "the database does not answer"),
        (RuntimeError("table incidents\nis locked"), "RuntimeError: table incidents is locked"),
    ],
)
def test_a_failed_migration_fails_the_deployment_with_its_reason(
    error: Exception, reason: str
) -> None:
    answer = SchemaService(Schema(error).upgrade).apply(_request("cloudformation_create"))

    assert (answer.status, answer.reason) == ("FAILED", reason)
    assert answer.physical_resource_id == PHYSICAL_ID


@pytest.mark.parametrize("properties", [{}, {"Revision": ""}, {"Revision": "head; drop"}])
def test_an_invalid_revision_is_refused_and_named(properties: dict[str, str]) -> None:
    schema = Schema()
    request = _request("cloudformation_create", ResourceProperties=properties)

    answer = SchemaService(schema.upgrade).apply(request)

    assert answer.status == "FAILED"
    assert answer.reason.startswith("Revision of Schema is ")
    assert "Alembic revision" in answer.reason
    assert schema.revisions == []


@given(st.text(max_size=6000))
def test_a_response_never_exceeds_the_protocol_s_limit(message: str) -> None:
    answer = SchemaService(Schema(ValueError(message)).upgrade).apply(
        _request("cloudformation_create")
    )

    assert answer.status == "FAILED"
    assert len(answer.model_dump_json(by_alias=True).encode()) <= 4096
