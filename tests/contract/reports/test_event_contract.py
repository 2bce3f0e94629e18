"""What `detection` sends is what `reports` reads."""

from __future__ import annotations

import json
import types
import typing

import pytest
from pydantic import BaseModel

from functions.detection import schemas as producer
from functions.reports import schemas as consumer
from functions.reports.messages import read_incident
from tests.support.report_events import payload


def test_a_produced_event_is_read_without_loss() -> None:
    produced = producer.SafetyViolationDetected.model_validate(payload())
    sent = json.loads(produced.model_dump_json())
    received = json.loads(read_incident(sent).model_dump_json())
    again = producer.SafetyViolationDetected.model_validate(received)
    assert again == produced


def test_the_recorded_event_has_every_field_that_detection_sends() -> None:
    produced = producer.SafetyViolationDetected.model_validate(payload())
    assert _names(json.loads(produced.model_dump_json())) == _names(payload())


PAIRS = [
    (producer.SafetyViolationDetected, consumer.IncidentEvent),
    (producer.Site, consumer.Site),
    (producer.ViolationClass, consumer.Violation),
    (producer.Indeterminate, consumer.Indeterminate),
    (producer.DetectedBox, consumer.PeakDetection),
    (producer.Peak, consumer.Peak),
    (producer.Evidence, consumer.Evidence),
    (producer.ModelUsed, consumer.DetectorModel),
    (producer.Thresholds, consumer.Thresholds),
]


@pytest.mark.parametrize(("sends", "reads"), PAIRS, ids=lambda model: model.__name__)
def test_both_sides_know_the_same_fields(sends: type[BaseModel], reads: type[BaseModel]) -> None:
    assert set(sends.model_fields) == set(reads.model_fields)


@pytest.mark.parametrize(("sends", "reads"), PAIRS, ids=lambda model: model.__name__)
def test_what_may_be_null_when_sent_may_be_null_when_read(
    sends: type[BaseModel], reads: type[BaseModel]
) -> None:
    nullable = {
        name for name, field in sends.model_fields.items() if _is_nullable(field.annotation)
    }
    assert nullable <= {
        name for name, field in reads.model_fields.items() if _is_nullable(field.annotation)
    }


def _is_nullable(annotation: object) -> bool:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return type(None) in typing.get_args(annotation)
    return False


def _names(value: object) -> object:
    """The shape of a document: its field names, at every depth."""
    if isinstance(value, dict):
        return {name: _names(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_names(item) for item in value]
    return None
