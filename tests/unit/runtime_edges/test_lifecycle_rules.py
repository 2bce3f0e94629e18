"""When an object expires, and which rules of a template are carried out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from hearth_runtime.aws.lifecycle import expires_at, least_free
from hearth_runtime.template.intrinsics import TemplateError, load_yaml
from hearth_runtime.template.model import Expiration
from hearth_runtime.template.reader import TemplateSource

ROOT = Path(__file__).resolve().parents[3]


def expirations(rules: str, **parameters: str) -> tuple[Expiration, ...]:
    text = f"""
Parameters: {{ Days: {{ Type: Number, Default: 7 }} }}
Resources:
  B: {{ Type: AWS::S3::Bucket, Properties: {{ LifecycleConfiguration: {{ Rules: [{rules}] }} }} }}
"""
    return TemplateSource(load_yaml(text, "t")).resolve(parameters).buckets[0].expirations


def test_no_rule_removes_nothing() -> None:
    assert expirations("") == ()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("Prefix: a/, Status: Enabled, ExpirationInDays: 3", [Expiration("a/", 3)]),
        ("Status: Enabled, ExpirationInDays: 3", [Expiration("", 3)]),
        ("Prefix: a/, Status: Enabled, ExpirationInDays: !Ref Days", [Expiration("a/", 7)]),
        ("Prefix: a/, Status: Disabled, ExpirationInDays: 3", []),
        ("Status: Enabled, NoncurrentVersionExpiration: { NoncurrentDays: 1 }", []),
        ("Status: Enabled, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }", []),
    ],
)
def test_a_rule_that_expires_objects_is_carried_out(rule: str, expected: list[Expiration]) -> None:
    assert list(expirations(f"{{ {rule} }}")) == expected


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("ExpirationInDays: 3, TagFilters: [{ Key: a, Value: b }]", "TagFilters"),
        ("ExpirationInDays: 3, ObjectSizeGreaterThan: 5", "ObjectSizeGreaterThan"),
        ("ExpirationDate: '2026-12-01'", "ExpirationDate"),
        ("ExpirationInDays: 0", "'0' must be a number of days"),
        ("ExpirationInDays: soon", "'soon' must be a number of days"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_an_error(rule: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        expirations(f"{{ Status: Enabled, {rule} }}")


def test_hearths_own_frames_expire_and_nothing_else_does() -> None:
    template = TemplateSource.read(ROOT / "template.yaml").resolve({"DatabaseUrl": "sqlite:///x"})
    [rule] = template.buckets[0].expirations
    assert rule.prefix == "frames/"
    assert rule.days >= 1


@pytest.mark.parametrize(
    ("stored", "days", "expected"),
    [
        ("2026-11-01T00:00:00+00:00", 1, "2026-11-02T00:00:00+00:00"),
        ("2026-11-01T00:00:00.000001+00:00", 1, "2026-11-03T00:00:00+00:00"),
        ("2026-11-01T23:59:59+00:00", 10, "2026-11-12T00:00:00+00:00"),
        ("2026-11-01T23:59:59-05:00", 1, "2026-11-04T00:00:00+00:00"),
        ("2026-12-31T10:30:00+00:00", 1, "2027-01-02T00:00:00+00:00"),
    ],
)
def test_an_object_expires_at_the_midnight_after_its_days(
    stored: str, days: int, expected: str
) -> None:
    # AWS: 1/15/2014 10:30 AM UTC and 3 days is 1/19/2014 00:00 UTC.
    assert expires_at(datetime.fromisoformat(stored), days) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(("total", "least"), [(0, 0), (20 * 2**30, 2**30), (2**40, 2 * 2**30)])
def test_a_small_disk_keeps_less_free(total: int, least: int) -> None:
    assert least_free(total) == least
