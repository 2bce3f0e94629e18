from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from hypothesis import given
from hypothesis import strategies as st

from functions.reports.handler import translate
from functions.reports.messages import job_from_body, read_event, read_incident
from hearth.errors import InvalidInput
from hearth.ledger.ledger import NewJob
from tests.support.events import load_event
from tests.support.report_events import payload, violation_job


def v1(**changes: Any) -> dict[str, Any]:
    record = load_event("reports/sqs_v1_violation")["Records"][0]
    body: dict[str, Any] = json.loads(record["body"])
    return body | changes


def test_a_v1_message_becomes_an_incident_seen_once() -> None:
    record = SQSRecord(load_event("reports/sqs_v1_violation")["Records"][0])
    (job,) = translate(record)
    event = read_event(job.payload)
    assert (job.kind, job.queue) == ("safety.violation.detected", "reports")
    assert event.camera_id == "CAM-01"
    assert event.site.company_name == "Acme Construction"
    assert event.violations[0].class_name == "no_goggle"
    assert event.violations[0].confidence == event.violations[0].peak_confidence == 0.83
    assert event.violations[0].observations == 1
    assert event.peak.detections[0].bbox == (112.0, 64.5, 188.0, 140.0)
    assert event.evidence is not None
    assert event.evidence.bucket == "safety-violations"
    assert event.evidence.key == "violations/CAM-01/20251130_142205_no_goggle.jpg"
    assert event.evidence.sha256 is None


def test_a_v1_time_without_a_zone_is_utc_and_the_report_notes_it() -> None:
    naive = read_event(job_from_body(v1()).payload)
    aware = read_event(job_from_body(v1(timestamp="2025-11-30T15:22:05+01:00")).payload)
    assert naive.first_seen == aware.first_seen
    assert any("read as UTC" in note for note in naive.model.notes)
    assert not any("read as UTC" in note for note in aware.model.notes)


def test_a_repeated_v1_message_is_one_job() -> None:
    assert job_from_body(v1()).dedupe_key == job_from_body(dict(reversed(v1().items()))).dedupe_key
    assert job_from_body(v1()).dedupe_key != job_from_body(v1(confidence=0.84)).dedupe_key


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://memory/a.jpg", "memory"),
        ("https://bucket.s3.amazonaws.com/a.jpg", "https://bucket.s3.amazonaws.com"),
        ("http://169.254.169.254/latest/meta-data", "http://169.254.169.254"),
        ("file:///etc/passwd", "file://"),
        ("memory", "://"),
        ("http://[", "(unreadable address)"),
    ],
)
def test_only_an_s3_address_can_name_a_bucket(url: str, bucket: str) -> None:
    evidence = read_event(job_from_body(v1(image_s3_url=url)).payload).evidence
    assert evidence is not None
    assert evidence.bucket == bucket


def test_a_v1_message_needs_no_image_and_no_box() -> None:
    event = read_event(job_from_body(v1(image_s3_url=None, bbox=None)).payload)
    assert event.evidence is None
    assert event.peak.detections == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "neither an incident event"),
        ({"hello": 1}, "its fields are hello"),
        (v1(confidence=1.5), "confidence"),
        (v1(confidence=float("nan")), "confidence"),
        (v1(timestamp="yesterday"), "timestamp"),
        (v1(timestamp="0001-01-01T00:00:00+14:00"), "timestamp"),
        (v1(class_name=""), "class_name"),
        (v1(bbox=[1, 2, 3]), "bbox"),
        (payload(schema_version=3), "schema_version"),
        (payload(violations=[]), "violations"),
        (payload(incident_id="x"), "incident_id"),
        (payload(first_seen="2025-11-25T00:00:00Z"), "before first_seen"),
        (payload(first_seen="2025-11-24T09:14:03"), "first_seen"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
def test_a_message_that_is_neither_is_refused_with_the_field(body: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        job_from_body(body)


def test_a_v2_message_is_the_same_job_that_detection_adds() -> None:
    job = job_from_body(payload())
    assert job.dedupe_key == violation_job(payload()).dedupe_key
    assert read_event(job.payload) == read_incident(payload())


def test_unknown_fields_of_a_newer_producer_are_ignored() -> None:
    assert read_incident(payload(mood="good")) == read_incident(payload())


def _lists_and_objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text(max_size=5)
    return st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    _lists_and_objects,
    max_leaves=8,
)


@given(field=st.sampled_from(sorted(v1())), value=JSON)
def test_any_value_in_any_v1_field_is_read_or_refused(field: str, value: Any) -> None:
    try:
        job = job_from_body(v1(**{field: value}))
    except InvalidInput:
        return
    assert isinstance(job, NewJob)
    read_event(job.payload)


@given(field=st.sampled_from(sorted(payload())), value=JSON)
def test_any_value_in_any_v2_field_is_read_or_refused(field: str, value: Any) -> None:
    with contextlib.suppress(InvalidInput):
        read_incident(payload(**{field: value}))
