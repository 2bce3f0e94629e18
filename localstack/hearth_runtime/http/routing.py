"""Which route of an HTTP API answers a request.

Rules: "Routes for HTTP APIs" of the API Gateway Developer Guide: a full match of method and path
goes before a greedy match, a greedy match before $default; within each the more specific wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from hearth_runtime.template.model import Route

_STATIC, _PARAMETER, _GREEDY = range(3)


@dataclass(frozen=True, slots=True)
class Match:
    """`parameters` are the decoded values of the path's parameters."""

    route: Route
    parameters: Mapping[str, str] = field(default_factory=dict)


class RouteTable:
    """Routes in the order in which they are tried."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._patterns = sorted((_Pattern(route) for route in routes), key=_Pattern.rank)

    def find(self, method: str, path: str) -> Match | None:
        """The match for a method in upper case and a path as it was sent, or None."""
        segments = path[1:].split("/")
        for pattern in self._patterns:
            if pattern.method in (method, "ANY"):
                parameters = pattern.match(segments)
                if parameters is not None:
                    return Match(pattern.route, parameters)
        return None


class _Pattern:
    def __init__(self, route: Route) -> None:
        self.route = route
        self.method = route.method
        self.catches_all = route.path == "$default"
        self.segments = [] if self.catches_all else [_part(s) for s in route.path[1:].split("/")]
        self.greedy = bool(self.segments) and self.segments[-1][0] == _GREEDY

    def rank(self) -> tuple[bool, bool, list[int], bool]:
        kinds = [kind for kind, _ in self.segments]
        return self.catches_all, self.greedy, kinds, self.method == "ANY"

    def match(self, segments: list[str]) -> dict[str, str] | None:
        if self.catches_all:
            return {}
        fixed = len(self.segments) - self.greedy
        if len(segments) < len(self.segments) or (not self.greedy and len(segments) > fixed):
            return None
        parameters = {}
        for (kind, name), segment in zip(self.segments[:fixed], segments, strict=False):
            value = unquote(segment)
            if kind == _STATIC:
                if value != name:
                    return None
            elif not value:
                return None
            else:
                parameters[name] = value
        if self.greedy:
            rest = unquote("/".join(segments[fixed:]))
            if not rest:
                return None
            parameters[self.segments[-1][1]] = rest
        return parameters


def _part(segment: str) -> tuple[int, str]:
    if segment.startswith("{") and segment.endswith("+}"):
        return _GREEDY, segment[1:-2]
    if segment.startswith("{") and segment.endswith("}"):
        return _PARAMETER, segment[1:-1]
    return _STATIC, segment
