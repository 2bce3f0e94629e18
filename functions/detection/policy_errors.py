"""Explains what is wrong in a policy: the place, the line, the value, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hearth.errors import InvalidInput

_MOST: Final = 20
_LONGEST: Final = 80
Place = tuple[int | str, ...]


def explain(
    source: str, error: ValidationError, root: yaml.Node | None, model: type[BaseModel]
) -> InvalidInput:
    """The error for a file that does not fit its model.

    Args:
        source: How messages name the file.
        root: The file's YAML, for the lines.
        model: What it was read as, for the names that are known.
    """
    problems = error.errors(include_url=False)
    details = []
    for one in problems[:_MOST]:
        place = tuple(part for part in one["loc"] if part != "[key]")
        line = _line(root, place)
        at = f"line {line}: " if line else ""
        details.append({"field": _dotted(place), "message": at + _sentence(one, place, model)})
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{source}, {details[0]['message']}{more}", details=details)


def _sentence(one: ErrorDetails, place: Place, model: type[BaseModel]) -> str:
    name, kind = _dotted(place) or "the file", one["type"]
    context: Mapping[str, Any] = one.get("ctx", {})
    value = str(one["input"])
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if kind == "extra_forbidden":
        return f"{name} is not known; {_suggestion(str(place[-1]), _names(model, place[:-1]))}"
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":
        return f"{name}: {context['error']}"
    if one["loc"][-1:] == ("[key]",):
        return (
            f"{shown!r} is not a name: 1 to 63 lower-case letters, digits, '_' and '-', beginning "
            "with a letter or digit"
        )
    return f"{name} is {shown!r}, but {_expectation(one, context)}"


def _expectation(one: ErrorDetails, context: Mapping[str, Any]) -> str:
    limits = {
        "greater_than": "gt",
        "greater_than_equal": "ge",
        "less_than": "lt",
        "less_than_equal": "le",
    }
    kind = one["type"]
    if kind in limits:
        words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
        key = limits[kind]
        return f"must be {words[key]} {context[key]:g}"
    if kind in ("literal_error", "enum"):
        return f"must be {context['expected']}"
    if kind in ("float_parsing", "float_type", "int_parsing", "int_type", "finite_number"):
        return "must be a number"
    if kind in ("bool_parsing", "bool_type"):
        return "must be true or false"
    if kind in ("list_type", "tuple_type"):
        return "must be a list"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return "must be a mapping"
    return one["msg"][:1].lower() + one["msg"][1:]


def _suggestion(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(known)}" if known else "nothing is known there"


def _names(model: type[BaseModel], place: Place) -> list[str]:
    """Keys that the mapping at a place may have."""
    found: Any = model
    for part in place:
        if _is_model(found):
            field = found.model_fields.get(part)
            found = None if field is None else field.annotation
            if isinstance(found, UnionType):  # what may be left out
                found = next(one for one in get_args(found) if one is not NoneType)
        else:
            found = next((one for one in get_args(found) if _is_model(one)), None)
    if not _is_model(found):
        return []
    return [field.alias or name for name, field in found.model_fields.items()]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _line(root: yaml.Node | None, place: Place) -> int | None:
    """The line, from 1, on which the value of a place stands, or that of what it lacks."""
    node = root
    line = None if node is None else node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
