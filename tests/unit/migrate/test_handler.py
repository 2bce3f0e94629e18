from __future__ import annotations

import pytest

from functions.migrate.handler import make_handler
from functions.migrate.schemas import CustomResourceResponse
from functions.migrate.service import SchemaService
from hearth.errors import InvalidInput
from tests.support.events import load_event
from tests.support.fakes import LambdaContext

EVENT = load_event("migrate/cloudformation_create")


class Answers:
    """Keeps what was answered, and where."""

    def __init__(self) -> None:
        self.given: list[tuple[str, CustomResourceResponse]] = []

    def __call__(self, url: str, response: CustomResourceResponse) -> None:
        self.given.append((url, response))


def no_database(revision: str) -> str:
    raise RuntimeError(f"no way to {revision}")


def test_the_answer_goes_to_the_url_of_the_request() -> None:
    answers = Answers()

    result = make_handler(SchemaService(lambda revision: revision), answers)(EVENT, LambdaContext())

    ((url, response),) = answers.given
    assert url == EVENT["ResponseURL"]
    assert (response.status, response.data) == ("SUCCESS", {"Revision": "0004"})
    assert result == response.model_dump(by_alias=True)


def test_a_failure_is_answered_as_well() -> None:
    answers = Answers()

    make_handler(SchemaService(no_database), answers)(EVENT, LambdaContext())

    ((_, response),) = answers.given
    assert (response.status, response.reason) == ("FAILED", "RuntimeError: no way to 0004")


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://host/x", "http://", "https:///path", "//host/x"]
)
def test_a_response_url_must_be_http(url: str) -> None:
    answers = Answers()

    with pytest.raises(InvalidInput, match="ResponseURL"):
        make_handler(SchemaService(no_database), answers)(
            EVENT | {"ResponseURL": url}, LambdaContext()
        )

    assert answers.given == []


def test_an_event_that_is_not_a_custom_resource_is_refused_with_the_missing_fields() -> None:
    with pytest.raises(InvalidInput, match=r"RequestType, ResponseURL, StackId"):
        make_handler(SchemaService(no_database), Answers())({}, LambdaContext())
