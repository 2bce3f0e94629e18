"""Parameters: defaults, constraints, and what is said when one is broken."""

from __future__ import annotations

from typing import Any

import pytest

from hearth_runtime.template.intrinsics import TemplateError
from hearth_runtime.template.parameters import parameter_values


@pytest.mark.parametrize(
    ("declaration", "given", "expected"),
    [
        ({"Type": "String", "Default": ""}, None, ""),
        ({"Type": "String", "Default": True}, None, "true"),
        ({"Type": "Number", "Default": 0.5}, None, "0.5"),
        ({"Type": "Number", "MinValue": 0, "MaxValue": 1}, "1", "1"),
        ({"Type": "String", "AllowedValues": [True, "x"]}, "true", "true"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc", "abc"),
        ({"Type": "String", "MinLength": 0, "MaxLength": 2}, "ab", "ab"),
        ({"Type": "CommaDelimitedList"}, "", []),
        ({"Type": "CommaDelimitedList"}, "a, b", ["a", "b"]),
        ({"Type": "List<Number>"}, "1,2.5", ["1", "2.5"]),
    ],
)
def test_a_value_is_the_given_one_or_the_default(
    declaration: dict[str, Any], given: str | None, expected: Any
) -> None:
    values = parameter_values({"P": declaration}, {} if given is None else {"P": given})
    assert values == {"P": expected}


@pytest.mark.parametrize(
    ("declaration", "given", "message"),
    [
        ({"Type": "String"}, None, "P has no default"),
        ({"Type": "Number"}, "much", "'much' is not a number"),
        ({"Type": "Number", "MinValue": 0.05}, "0", "'0' is less than 0.05"),
        ({"Type": "Number", "MaxValue": 1}, "2", "'2' is more than 1"),
        ({"Type": "String", "MinLength": 1}, "", "shorter than 1"),
        ({"Type": "String", "MaxLength": 1}, "ab", "longer than 1"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "'c' is not one of a, b"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc1", "it must match [a-z]+"),
        (
            {"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "an x"},
            "y",
            "not allowed: an x",
        ),
        ({"Type": "List<Number>"}, "1,two", "is not a number"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "a", "is not supported"),
    ],
)
def test_a_value_that_breaks_a_constraint_is_refused_by_name(
    declaration: dict[str, Any], given: str | None, message: str
) -> None:
    with pytest.raises(TemplateError, match="Parameter P") as caught:
        parameter_values({"P": declaration}, {} if given is None else {"P": given})
    assert message in str(caught.value)


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(TemplateError, match="Unknown parameter Typo: the template has A, B"):
        parameter_values({"B": {"Default": ""}, "A": {"Default": ""}}, {"Typo": "x"})


def test_a_secret_value_is_never_shown() -> None:
    declaration = {"Type": "String", "NoEcho": True, "AllowedPattern": "[0-9]+"}
    with pytest.raises(TemplateError) as caught:
        parameter_values({"Key": declaration}, {"Key": "hunter2!"})
    assert "hunter2" not in str(caught.value)
