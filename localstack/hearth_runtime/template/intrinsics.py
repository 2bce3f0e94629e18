"""CloudFormation's YAML and its intrinsic functions, as far as a stack at home needs them.

Reference: "Intrinsic function reference" and "Condition functions" of the CloudFormation
Template Reference Guide. What cannot be resolved is an error that names the place in the template.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from hearth_runtime.stack_state import SetupError


class TemplateError(SetupError):
    """The template cannot be run. The message names the place and what to change."""


class _NoValue:
    """What Ref AWS::NoValue stands for: the property is as good as absent."""


NO_VALUE: Final = _NoValue()
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short-form tags; a date stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load_yaml(text: str, name: str) -> dict[str, Any]:
    """Parse a template into plain values, short forms as long ones. Raises TemplateError."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except yaml.YAMLError as error:
        raise TemplateError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise TemplateError(f"{name} is not a template: a mapping with Resources is expected.")
    return document


class Resolver:
    """Replaces intrinsic functions by their values.

    `refs` answers Ref (parameters, pseudo parameters, resources), `attributes` answers GetAtt by
    logical id and attribute name.
    """

    def __init__(
        self,
        refs: Mapping[str, Any],
        attributes: Mapping[str, Mapping[str, str]],
        mappings: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Any] | None = None,
    ) -> None:
        self._refs = refs
        self._attributes = attributes
        self._mappings = mappings or {}
        self._conditions = conditions or {}
        self._deciding: list[str] = []
        self._functions: dict[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda value, where: not self._truths(value, where, 1, 1)[0],
            "Fn::And": lambda value, where: all(self._truths(value, where, 2, 10)),
            "Fn::Or": lambda value, where: any(self._truths(value, where, 2, 10)),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda value, where: base64.b64encode(
                str(self.resolve(value, where)).encode()
            ).decode(),
        }

    def resolve(self, value: Any, where: str) -> Any:
        """The value with every intrinsic replaced; `where` is its place, for messages."""
        if isinstance(value, dict):
            name = next(iter(value)) if len(value) == 1 else ""
            if name in self._functions:
                return self._functions[name](value[name], where)
            if str(name).startswith("Fn::"):
                raise TemplateError(f"{where}: {name} is not supported by the local runtime.")
            resolved = {key: self.resolve(item, f"{where}.{key}") for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(value, list):
            items = [self.resolve(item, f"{where}[{index}]") for index, item in enumerate(value)]
            return [item for item in items if item is not NO_VALUE]
        return value

    def holds(self, name: Any) -> bool:
        """Whether a condition of the template's Conditions section is true."""
        if name not in self._conditions:
            raise TemplateError(f"Condition {name!r} is not defined in Conditions.")
        if name in self._deciding:
            raise TemplateError(f"Condition {name!r} depends on itself.")
        self._deciding.append(name)
        try:
            return self._truth(self._conditions[name], f"Conditions {name}")
        finally:
            self._deciding.pop()

    def _truth(self, value: Any, where: str) -> bool:
        if isinstance(value, dict) and list(value) == ["Condition"]:
            return self.holds(value["Condition"])
        result = self.resolve(value, where)
        if not isinstance(result, bool):
            raise TemplateError(f"{where}: {result!r} is not a condition.")
        return result

    def _truths(self, value: Any, where: str, least: int, most: int) -> list[bool]:
        return [self._truth(item, where) for item in _items(value, where, least, most)]

    def _ref(self, name: Any, where: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self._refs:
            raise TemplateError(f"{where}: Ref {name!r} is neither a parameter nor a resource.")
        return self._refs[name]

    def _get_att(self, value: Any, where: str) -> str:
        if isinstance(value, str):
            value = value.split(".", 1)
        logical_id, attribute = _items(value, where, 2, 2)
        attribute = self.resolve(attribute, where)
        if logical_id not in self._refs:
            raise TemplateError(f"{where}: GetAtt {logical_id!r} is not a resource.")
        try:
            return self._attributes[logical_id][attribute]
        except KeyError:
            raise TemplateError(
                f"{where}: {logical_id}.{attribute} is not known to the local runtime."
            ) from None

    def _sub(self, value: Any, where: str) -> str:
        text, own = (value, {}) if isinstance(value, str) else _items(value, where, 2, 2)
        if not isinstance(text, str) or not isinstance(own, dict):
            raise TemplateError(f"{where}: Fn::Sub takes a text, or [text, {{name: value}}].")

        def replacement(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in own:
                found = self.resolve(own[name], where)
            elif "." in name and name not in self._refs:
                found = self._get_att(name, where)
            else:
                found = self._ref(name, where)
            if isinstance(found, (dict, list)) or found is NO_VALUE:
                raise TemplateError(f"{where}: ${{{name}}} is not a single value.")
            return _text(found)

        return _VARIABLE.sub(replacement, text)

    def _join(self, value: Any, where: str) -> str:
        separator, parts = _items(value, where, 2, 2)
        resolved = self.resolve(parts, where)
        if not isinstance(separator, str) or not isinstance(resolved, list):
            raise TemplateError(f"{where}: Fn::Join takes [separator, [value, …]].")
        return separator.join(_text(part) for part in resolved)

    def _split(self, value: Any, where: str) -> list[str]:
        separator, text = _items(value, where, 2, 2)
        return str(self.resolve(text, where)).split(separator)

    def _select(self, value: Any, where: str) -> Any:
        index, choices = (self.resolve(item, where) for item in _items(value, where, 2, 2))
        try:
            if int(index) < 0:
                raise IndexError
            return choices[int(index)]
        except (IndexError, TypeError, ValueError):
            raise TemplateError(f"{where}: Fn::Select has no item {index!r}.") from None

    def _if(self, value: Any, where: str) -> Any:
        condition, yes, no = _items(value, where, 3, 3)
        # Only the chosen branch is resolved: the other may name what does not exist.
        return self.resolve(yes if self.holds(condition) else no, where)

    def _equals(self, value: Any, where: str) -> bool:
        left, right = (self.resolve(item, where) for item in _items(value, where, 2, 2))
        return _text(left) == _text(right)

    def _find_in_map(self, value: Any, where: str) -> Any:
        keys = [self.resolve(item, where) for item in _items(value, where, 3, 3)]
        found: Any = self._mappings
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise TemplateError(f"{where}: Mappings has no {'.'.join(map(str, keys))}.")
            found = found[key]
        return found


def _items(value: Any, where: str, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise TemplateError(f"{where}: a list of {count} items is expected, not {value!r}.")
    return value


def _text(value: Any) -> str:
    """A scalar as CloudFormation prints it: booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
