"""The policy file: what is admitted, what is refused and how it is said, and shifts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.detection import policy as policy_module
from functions.detection.judging.equipment import Item
from functions.detection.policy import MAX_BYTES, Camera, EpisodeRules, Policy, Shift, parse_policy
from hearth.errors import HearthError, InvalidInput, TooLarge

FULL = b"""
version: 1
defaults: {required: [helmet, vest], min_score: 0.5, episode: {gap_s: 5, max_s: 600}}
unknown_cameras: reject
cameras:
  gate:
    required: [helmet]
    zones:
      - name: crane
        polygon: [[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]]
        restricted: true
        shifts: [{days: [mon, fri], from: 22:00, to: 06:00}]
      - {name: canteen, polygon: [[0, 0], [0.1, 0], [0.1, 0.1]], required: []}
  no: {restricted: true}
"""


@pytest.mark.parametrize("data", [b"", b"\n# nothing\n", b"{}", b"version: 1"])
def test_an_empty_policy_requires_helmet_and_vest_everywhere(data: bytes) -> None:
    rules = parse_policy(data).rules("anything")
    assert rules.required == (Item.HELMET, Item.VEST)
    assert not rules.restricted
    assert rules.episode.min_observations == 3


def test_a_full_policy_is_read_with_times_and_names_as_they_are_written() -> None:
    policy = parse_policy(FULL)
    gate = policy.rules("gate")
    assert gate.required == (Item.HELMET,)
    assert gate.min_score == 0.5
    assert (gate.zones[0].shifts[0].start, gate.zones[0].shifts[0].end) == (1320, 360)
    assert gate.zones[1].required == ()
    # YAML 1.1 would read this name as false.
    assert policy.rules("no").restricted
    with pytest.raises(InvalidInput, match="camera 'dock' is not in the policy"):
        policy.rules("dock")


ZONE = "cameras: {gate: {zones: [%s]}}"
SQUARE = "[[0, 0], [1, 0], [1, 1], [0, 1]]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "must be a mapping, not list"),
        ("version: 2", "version is '2', but must be 1"),
        ("colour: red", "line 1: colour is not known; known are version, defaults, cameras"),
        ("defaults: {required: [cape]}", "unknown equipment 'cape'; known are helmet, vest, gog"),
        ("defaults: {min_score: 1.5}", "defaults.min_score is '1.5', but must be at most 1"),
        ("defaults: {min_score: nan}", "defaults.min_score"),
        ("defaults: {episode: {min_observations: 0}}", "min_observations"),
        ("defaults: {episode: {gap_s: 50, max_s: 10}}", "max_s 10 is shorter than gap_s 50"),
        ("cameras: {Gate 1: {}}", "'Gate 1' is not a name"),
        ("cameras: {gate: {zones: [{name: a}]}}", "zone 'a' has no rule"),
        (ZONE % "{name: a, restricted: true, polygon: [[0, 0], [1, 1]]}", "2 corners"),
        (
            ZONE % "{name: a, restricted: true, polygon: [[0,0],[1,1],[1,0],[0,1]]}",
            "edges of the polygon cross",
        ),
        (
            ZONE % "{name: a, restricted: true, polygon: [[0,0],[0.5,0.5],[1,1]]}",
            "it has no area",
        ),
        (
            ZONE % "{name: a, restricted: true, polygon: [[0,0],[1.2,0],[1,1]]}",
            "is '1.2', but must be at most 1",
        ),
        (
            ZONE % "{name: a, restricted: true}, {name: a, required: []}",
            "zone 'a' is named twice",
        ),
        (
            ZONE % "{name: a, restricted: true, shifts: [{from: 25:00, to: 06:00}]}",
            "'25:00' is not a time of day",
        ),
        (
            ZONE % "{name: a, restricted: true, shifts: [{from: 6, to: 06:00}]}",
            "'6' is not a time of day; write HH:MM",
        ),
        (
            ZONE % "{name: a, restricted: true, shifts: [{from: 06:00, to: 06:00}]}",
            "from and to are equal",
        ),
        (
            ZONE % "{name: a, restricted: true, shifts: [{days: [mo], from: 06:00, to: 07:00}]}",
            "must be 'mon'",
        ),
        ("cameras: {a: {}, a: {}}", "line 1: 'a' is given twice"),
        (
            "cameras:\n  gate:\n    restrict: true\n",
            "line 3: cameras.gate.restrict is not known; did you mean restricted?",
        ),
        ("defaults: {restricted: maybe}", "restricted is 'maybe', but must be true or false"),
        ("cameras: {gate: []}", "cameras.gate is '[]', but must be a mapping"),
        (
            ZONE % "{name: a, shift: []}",
            "cameras.gate.zones.0.shift is not known; did you mean shifts?",
        ),
        ("unknown_cameras: accept", "but must be 'default' or 'reject'"),
        ("a: &x [1]\nb: *x", "line 2: aliases"),
        ("cameras: {", "line 1"),
        ("x: " + "[" * 100 + "]" * 100, "nested deeper than 12"),
        ("x: !!python/object/apply:os.system [id]", "x is not known"),
    ],
)
def test_an_invalid_policy_is_rejected_with_the_value_and_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy(text.encode())
    assert says in refused.value.message


def test_a_policy_over_256_kb_is_rejected_before_it_is_parsed() -> None:
    with pytest.raises(TooLarge, match="262145 bytes"):
        parse_policy(b"#" * (MAX_BYTES + 1))


def test_text_in_another_encoding_is_rejected() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8 text"):
        parse_policy(b"# \xff")


def test_aliases_cannot_multiply_a_small_file() -> None:
    bomb = b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"
    with pytest.raises(InvalidInput, match="aliases"):
        parse_policy(bomb)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_parse_to_a_policy_or_raise_a_hearth_error(data: bytes) -> None:
    message = ""
    try:
        assert isinstance(parse_policy(data), Policy)
    except HearthError as error:
        message = error.message
    assert len(message) < 1000


def night(days: str = "mon") -> Shift:
    return Shift.model_validate({"days": [days], "from": "22:00", "to": "06:00"})


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        ("2026-11-02T20:59", False),  # Monday 21:59 in Berlin
        ("2026-11-02T21:00", True),
        ("2026-11-02T23:30", True),  # Tuesday 00:30, still Monday's shift
        ("2026-11-03T04:59", True),
        ("2026-11-03T05:00", False),
        ("2026-11-03T21:30", False),  # Tuesday's night is not in the list
        ("2026-11-02T04:00", False),  # Monday 05:00 belongs to Sunday's shift
    ],
)
def test_a_shift_past_midnight_belongs_to_the_day_on_which_it_starts(
    utc: str, inside: bool
) -> None:
    local = datetime.fromisoformat(utc).replace(tzinfo=UTC).astimezone(BERLIN)
    assert night().covers(local) is inside


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        ("2026-10-25T00:30", True),  # 02:30 summer time
        ("2026-10-25T01:30", True),  # 02:30 again, winter time
        ("2026-10-25T02:00", False),  # 03:00
        ("2026-03-29T00:59", False),  # 01:59, then the clock jumps to 03:00
        ("2026-03-29T01:00", False),
    ],
)
def test_wall_time_decides_on_the_nights_of_a_clock_change(utc: str, inside: bool) -> None:
    shift = Shift.model_validate({"days": ["sun"], "from": "02:00", "to": "03:00"})
    local = datetime.fromisoformat(utc).replace(tzinfo=UTC).astimezone(BERLIN)
    assert shift.covers(local) is inside


def test_24_00_is_the_end_of_the_day() -> None:
    shift = Shift.model_validate({"from": "00:00", "to": "24:00"})
    assert shift.covers(datetime(2026, 11, 2, 23, 59, tzinfo=UTC))


def test_a_zone_outside_its_shift_does_not_apply() -> None:
    gate = parse_policy(FULL).rules("gate")
    day, late = datetime(2026, 11, 2, 12, tzinfo=UTC), datetime(2026, 11, 2, 23, tzinfo=UTC)
    assert [area.name for area in gate.areas(day, ZoneInfo("UTC"))] == [None, "canteen"]
    assert [area.name for area in gate.areas(late, ZoneInfo("UTC"))] == [None, "crane", "canteen"]


def test_the_shipped_example_is_valid_and_shows_every_rule() -> None:
    path = Path(policy_module.__file__).with_name("policy.example.yaml")
    policy = parse_policy(path.read_bytes())
    assert policy.rules("transformer").restricted
    assert policy.rules("gate").episode == EpisodeRules()
    assert set(Camera.model_fields) >= set(policy.cameras["gate"].model_fields_set)


def test_max_fps_can_be_set_for_all_cameras_and_for_one() -> None:
    policy = parse_policy(b"{defaults: {max_fps: 5}, cameras: {gate: {max_fps: 0.5}, dock: {}}}")
    assert [policy.rules(name).max_fps for name in ("gate", "dock", "new")] == [0.5, 5, 5]
    assert parse_policy(b"").rules("gate").max_fps is None


@pytest.mark.parametrize("rate", ["0", "-1", "0.001", "121", "nan", "inf", "fast", "[5]"])
def test_an_invalid_max_fps_is_rejected(rate: str) -> None:
    with pytest.raises(InvalidInput, match=r"cameras\.gate\.max_fps"):
        parse_policy(f"cameras: {{gate: {{max_fps: {rate}}}}}".encode())


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("[0.5, 0, 0.5, 1]", "is not left, top, right, bottom"),
        ("[0.9, 0, 0.1, 1]", "is not left, top, right, bottom"),
        ("[0, 0, 1, 0.01]", "0.05 of the picture"),
        ("[0, 0, 1, 1.5]", "at most 1"),
        ("[0, 0, 1]", "is missing"),
        ("[0, 0, 1, nan]", "must be a number"),
    ],
)
def test_a_region_that_is_too_small_is_rejected(region: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_policy(f"cameras: {{gate: {{region: {region}}}}}".encode())


def test_the_view_is_the_whole_image_without_a_region() -> None:
    assert parse_policy(b"").rules("gate").view((641, 480)) == (0, 0, 641, 480)
    half = parse_policy(b"cameras: {gate: {region: [0.5, 0.25, 1, 0.75]}}").rules("gate")
    assert half.view((641, 480)) == (320, 120, 641, 360)
    assert half.view((1, 1)) == (0, 0, 1, 1)
