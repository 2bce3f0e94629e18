"""A template's parameters: defaults, and the constraints that a given value must meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .intrinsics import TemplateError

PARAMETER_PREFIX = "HEARTH_PARAM_"  # of environment variables that give values to `hearth up`


def parameter_values(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Value of every declared parameter; lists for list types, texts otherwise.

    Raises:
        TemplateError: One is unknown, missing or breaks a constraint; the message names it, and
            never shows the value of a NoEcho parameter.
    """
    if unknown := sorted(given.keys() - declared.keys()):
        raise TemplateError(
            f"Unknown parameter {unknown[0]}: the template has"
            f" {', '.join(sorted(declared)) or 'none'}."
        )
    values: dict[str, Any] = {}
    for name, declaration in declared.items():
        if name in given:
            value = given[name]
        elif "Default" in declaration:
            value = _text(declaration["Default"])
        else:
            raise TemplateError(f"Parameter {name} has no default: give it a value.")
        values[name] = _checked(name, declaration, value)
    return values


def _checked(name: str, declaration: Mapping[str, Any], value: str) -> Any:
    kind = declaration.get("Type", "String")
    shown = "its value" if _flag(declaration.get("NoEcho")) else repr(value)
    if kind in ("CommaDelimitedList", "List<Number>"):
        items = [item.strip() for item in value.split(",")] if value else []
        for item in items:
            if kind == "List<Number>":
                _number(name, item, shown)
            _check_allowed(name, declaration, item, shown)
        return items
    if kind == "Number":
        number = _number(name, value, shown)
        least, most = declaration.get("MinValue"), declaration.get("MaxValue")
        if least is not None and number < float(least):
            raise TemplateError(f"Parameter {name}: {shown} is less than {least}.")
        if most is not None and number > float(most):
            raise TemplateError(f"Parameter {name}: {shown} is more than {most}.")
    elif kind == "String":
        least, most = declaration.get("MinLength"), declaration.get("MaxLength")
        if least is not None and len(value) < int(least):
            raise TemplateError(f"Parameter {name}: {shown} is shorter than {least} characters.")
        if most is not None and len(value) > int(most):
            raise TemplateError(f"Parameter {name}: {shown} is longer than {most} characters.")
        pattern = declaration.get("AllowedPattern")
        if pattern is not None and not re.fullmatch(pattern, value):
            hint = declaration.get("ConstraintDescription") or f"it must match {pattern}"
            raise TemplateError(f"Parameter {name}: {shown} is not allowed: {hint}.")
    else:
        raise TemplateError(f"Parameter {name}: type {kind} is not supported by the local runtime.")
    _check_allowed(name, declaration, value, shown)
    return value


def _check_allowed(name: str, declaration: Mapping[str, Any], value: str, shown: str) -> None:
    allowed = declaration.get("AllowedValues")
    if allowed is not None and value not in (choices := [_text(item) for item in allowed]):
        raise TemplateError(f"Parameter {name}: {shown} is not one of {', '.join(choices)}.")


def _number(name: str, value: str, shown: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise TemplateError(f"Parameter {name}: {shown} is not a number.") from None


def _flag(value: Any) -> bool:
    return _text(value).lower() == "true"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
