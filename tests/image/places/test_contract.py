"""The same events in, the same answers out, wherever an image runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.image.places.answers import missing
from tests.image.places.backing import functions
from tests.image.places.contract import CASES, Case
from tests.image.places.scope import first_of_each_function
from tests.image.places.story import Told

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the first build installs everything


def test_every_function_of_the_template_is_in_the_table() -> None:
    left_out = {spec.short_name for spec in functions()} - {case.function for case in CASES}
    assert left_out == set(), "add a line for each to tests/image/places/contract.py"


def test_the_first_cases_are_one_of_every_function_in_the_order_of_the_table() -> None:
    chosen = first_of_each_function(CASES)
    assert {case.function for case in chosen} == {case.function for case in CASES}
    assert len({case.function for case in chosen}) == len(chosen)
    assert [CASES.index(case) for case in chosen] == sorted(CASES.index(case) for case in chosen)


def answer(told: Told, case: Case) -> Any:
    """What was answered; skips where the place is not asked such an event."""
    if str(case) not in told.answers:
        pytest.skip("this place is not asked every event")
    return told.answers[str(case)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_function_answers_what_the_table_expects(told: Told, case: Case) -> None:
    assert missing(case.expected, answer(told, case)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_function_answers_as_it_does_as_a_process(
    told: Told, reference: Told, case: Case
) -> None:
    assert answer(told, case) == reference.answers[str(case)]
