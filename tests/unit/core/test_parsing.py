from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from hearth.errors import InvalidInput
from hearth.parsing import MAX_DETAILS, parse_model


class Door(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    opened_at: AwareDatetime | None = None
    locks: list[int] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == "back":
            raise ValueError("the house has no back door")
        return name


@pytest.mark.parametrize(
    "value",
    [
        {"name": "front", "opened_at": "2026-11-02T08:00:00Z"},
        '{"name": "front", "opened_at": "2026-11-02T08:00:00Z"}',
        b'{"name": "front", "opened_at": "2026-11-02T08:00:00Z"}',
    ],
    ids=["values", "text", "bytes"],
)
def test_json_becomes_the_model(value: Any) -> None:
    door = parse_model(Door, value, "the door")
    assert door == Door(name="front", opened_at=datetime(2026, 11, 2, 8, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "message", "fields"),
    [
        ({}, "the door is not valid: name: Field required", ["name"]),
        ({"name": 1}, "the door is not valid: name: Input should be a valid string", ["name"]),
        ({"name": "back"}, "the door is not valid: name: the house has no back door", ["name"]),
        (
            {"name": "front", "locks": [1, "x"], "odd": 1},
            "the door is not valid: locks.1: Input should be a valid integer, unable to parse "
            "string as an integer (and 1 more)",
            ["locks.1", "odd"],
        ),
        ([], "the door is not valid: Input should be an object", [""]),
        (None, "the door is not valid: Input should be an object", [""]),
    ],
    ids=["missing", "type", "rule", "several", "list", "null"],
)
def test_what_is_wrong_names_the_field(value: Any, message: str, fields: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_model(Door, value, "the door")
    assert raised.value.message == message
    assert [detail["field"] for detail in raised.value.details] == fields


@pytest.mark.parametrize("value", ["{", b"\xff", "", {"name": "\ud800"}, {"name": {1}}], ids=repr)
def test_what_is_not_json_is_invalid_input(value: Any) -> None:
    with pytest.raises(InvalidInput, match="the door is not"):
        parse_model(Door, value, "the door")


def test_a_cycle_is_invalid_input() -> None:
    value: dict[str, Any] = {"name": "front"}
    value["locks"] = value
    with pytest.raises(InvalidInput, match="the door is not JSON"):
        parse_model(Door, value, "the door")


def test_the_details_are_bounded() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_model(Door, {"name": "front", "locks": ["x"] * 100}, "the door")
    assert len(raised.value.details) == MAX_DETAILS
    assert raised.value.message.endswith("(and 99 more)")
