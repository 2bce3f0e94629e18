"""A function's Events in SAM: HTTP routes, queue mappings and schedules."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .intrinsics import TemplateError
from .model import Api, Authorizer, Cors, QueueMapping, Route, Schedule, Throttle

_METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_NO_AUTHORIZER = "NONE"
_SEGMENT = re.compile(r"\{[A-Za-z0-9._:-]+\+?\}|[^{}]*")


@dataclass(frozen=True, slots=True)
class HttpEvent:
    """A route as its function asks for it: of which API, and asking which authorizer (None: that
    of the API)."""

    api_id: str | None
    authorizer: str | None
    route: Route


class Events:
    """Collects what the events of all functions ask for."""

    def __init__(
        self,
        function_of_arn: Callable[[Any, str], str],
        queue_of_arn: Callable[[Any, str], str],
    ) -> None:
        self._function_of_arn = function_of_arn
        self._queue_of_arn = queue_of_arn
        self.routes: list[HttpEvent] = []
        self.mappings: list[QueueMapping] = []
        self.schedules: list[Schedule] = []

    def add(self, logical_id: str, function: str, events: Mapping[str, Any]) -> None:
        """Take in one function's events. Raises TemplateError for a type without a stand-in."""
        for event_id, event in events.items():
            where, kind = f"{logical_id}.Events.{event_id}", event.get("Type")
            properties = event.get("Properties") or {}
            if kind == "HttpApi":
                self.routes.append(_route(function, properties, where))
            elif kind == "SQS":
                queue_id = self._queue_of_arn(properties.get("Queue"), f"{where}.Queue")
                self.mappings.append(_mapping(function, queue_id, properties, where))
            elif kind in ("Schedule", "ScheduleV2"):
                name = properties.get("Name") or f"{logical_id}{event_id}"
                self.schedules.append(_schedule(function, name, kind, properties, where))
            else:
                raise TemplateError(
                    f"{where}: events of type {kind} are not supported by the local runtime;"
                    " HttpApi, SQS, Schedule and ScheduleV2 are."
                )


def http_api(
    events: Sequence[HttpEvent],
    properties: Mapping[str, Any],
    function_of_arn: Callable[[Any, str], str],
) -> Api:
    """The API of these routes with the settings of AWS::Serverless::HttpApi."""
    seen: set[str] = set()
    for event in events:
        if event.route.key in seen:
            raise TemplateError(f"Two events have the route {event.route.key!r}.")
        seen.add(event.route.key)
    auth = properties.get("Auth") or {}
    authorizers = _authorizers(auth, function_of_arn)
    settings = properties.get("RouteSettings") or {}
    return Api(
        routes=tuple(
            replace(
                event.route,
                throttle=_throttle(settings.get(event.route.key) or {}) or event.route.throttle,
                public=event.authorizer == _NO_AUTHORIZER,
                authorizer=_chosen(event, authorizers, auth.get("DefaultAuthorizer")),
            )
            for event in events
        ),
        cors=_cors(properties.get("CorsConfiguration")),
        throttle=_throttle(properties.get("DefaultRouteSettings") or {}),
    )


def _chosen(
    event: HttpEvent, authorizers: Mapping[str, Authorizer], default: str | None
) -> Authorizer | None:
    name = default if event.authorizer is None else event.authorizer
    if name in (None, _NO_AUTHORIZER):
        return None
    if name not in authorizers:
        raise TemplateError(
            f"The route {event.route.key!r} asks the authorizer {name!r}, which is no Lambda"
            " authorizer of the API: the local runtime has no other kind."
        )
    return authorizers[name]


def _authorizers(
    auth: Mapping[str, Any], function_of_arn: Callable[[Any, str], str]
) -> dict[str, Authorizer]:
    found = {}
    for name, properties in (auth.get("Authorizers") or {}).items():
        where = f"Auth.Authorizers.{name}"
        if "FunctionArn" not in properties:
            raise TemplateError(f"{where}: the local runtime has Lambda authorizers only.")
        if str(properties.get("AuthorizerPayloadFormatVersion")) != "2.0":
            raise TemplateError(f"{where}: AuthorizerPayloadFormatVersion must be 2.0 here.")
        if not _flag(properties.get("EnableSimpleResponses", False)):
            raise TemplateError(f"{where}: EnableSimpleResponses must be true here.")
        identity = properties.get("Identity") or {}
        ttl_s = int(identity.get("ReauthorizeEvery", 300))
        if not 0 <= ttl_s <= 3600:
            raise TemplateError(f"{where}: ReauthorizeEvery {ttl_s} is not between 0 and 3600.")
        sources = _identity_sources(identity, where)
        if ttl_s and not sources:
            raise TemplateError(f"{where}: without Identity nothing can be kept; ask every time.")
        function = function_of_arn(properties["FunctionArn"], f"{where}.FunctionArn")
        found[name] = Authorizer(name, function, sources, ttl_s)
    return found


def _identity_sources(identity: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """In API Gateway's words, as SAM makes them."""
    if "StageVariables" in identity:
        raise TemplateError(f"{where}.Identity: the local runtime has no stage variables.")
    context = [str(name) for name in identity.get("Context") or ()]
    if other := sorted(set(context) - {"routeKey"}):
        raise TemplateError(f"{where}.Identity: Context {other[0]!r}; routeKey is known here.")
    return (
        *(f"$request.header.{name}" for name in identity.get("Headers") or ()),
        *(f"$request.querystring.{name}" for name in identity.get("QueryStrings") or ()),
        *(f"$context.{name}" for name in context),
    )


def _route(function: str, properties: Mapping[str, Any], where: str) -> HttpEvent:
    if str(properties.get("PayloadFormatVersion", "2.0")) != "2.0":
        raise TemplateError(f"{where}: the local runtime speaks PayloadFormatVersion 2.0 only.")
    path = properties.get("Path", "$default")
    method = str(properties.get("Method", "ANY")).upper()
    if method in ("*", "X-AMAZON-APIGATEWAY-ANY-METHOD"):
        method = "ANY"
    if method not in _METHODS:
        raise TemplateError(f"{where}: {method!r} is not an HTTP method.")
    if path != "$default":
        _check_path(path, where)
    route = Route(
        function=function,
        method=method,
        path=path,
        timeout_s=min(float(properties.get("TimeoutInMillis", 30_000)) / 1000, 30.0),
        throttle=_throttle(properties.get("RouteSettings") or {}),
    )
    authorizer = (properties.get("Auth") or {}).get("Authorizer")
    return HttpEvent(properties.get("ApiId"), authorizer, route)


def _check_path(path: str, where: str) -> None:
    if not path.startswith("/"):
        raise TemplateError(f"{where}: the path {path!r} does not begin with a slash.")
    segments = path[1:].split("/")
    for index, segment in enumerate(segments):
        if not _SEGMENT.fullmatch(segment):
            raise TemplateError(f"{where}: {segment!r} is neither a name nor a {{parameter}}.")
        if segment.endswith("+}") and index < len(segments) - 1:
            raise TemplateError(f"{where}: {segment!r} must be the last part of {path!r}.")


def _mapping(
    function: str, queue_id: str, properties: Mapping[str, Any], where: str
) -> QueueMapping:
    if "FilterCriteria" in properties:
        raise TemplateError(f"{where}: FilterCriteria is not supported by the local runtime.")
    batch_size = int(properties.get("BatchSize", 10))
    window_s = float(properties.get("MaximumBatchingWindowInSeconds", 0))
    maximum = (properties.get("ScalingConfig") or {}).get("MaximumConcurrency")
    if not 1 <= batch_size <= 10_000:
        raise TemplateError(f"{where}: BatchSize {batch_size} is not between 1 and 10000.")
    if not 0 <= window_s <= 300:
        raise TemplateError(f"{where}: the batching window {window_s} s is not in 0 to 300.")
    if batch_size > 10 and window_s < 1:
        raise TemplateError(
            f"{where}: a BatchSize above 10 needs MaximumBatchingWindowInSeconds of 1 or more."
        )
    if maximum is not None and not 2 <= int(maximum) <= 1000:
        raise TemplateError(f"{where}: MaximumConcurrency {maximum} is not between 2 and 1000.")
    return QueueMapping(
        function=function,
        queue_id=queue_id,
        batch_size=batch_size,
        window_s=window_s,
        maximum_concurrency=None if maximum is None else int(maximum),
        partial_responses="ReportBatchItemFailures"
        in (properties.get("FunctionResponseTypes") or []),
        enabled=_flag(properties.get("Enabled", True)),
    )


def _schedule(
    function: str, name: str, kind: str, properties: Mapping[str, Any], where: str
) -> Schedule:
    expression = properties.get("ScheduleExpression" if kind == "ScheduleV2" else "Schedule")
    if not isinstance(expression, str):
        raise TemplateError(f"{where}: a schedule expression is needed.")
    given = properties.get("Input")
    return Schedule(
        name=name,
        function=function,
        expression=expression,
        source="scheduler" if kind == "ScheduleV2" else "rule",
        timezone=properties.get("ScheduleExpressionTimezone") or "UTC",
        input=given if given is None or isinstance(given, str) else json.dumps(given),
        enabled=_flag(properties.get("Enabled", True))
        and properties.get("State", "ENABLED") == "ENABLED",
    )


def _throttle(settings: Mapping[str, Any]) -> Throttle | None:
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    if rate is None or burst is None:
        return None
    return Throttle(float(rate), int(burst))


def _cors(value: Any) -> Cors | None:
    if value is None or value is False:
        return None
    if value is True:  # SAM: every origin, nothing else
        return Cors(origins=("*",))
    return Cors(
        origins=tuple(value.get("AllowOrigins") or ()),
        methods=tuple(str(method).upper() for method in value.get("AllowMethods") or ()),
        headers=tuple(str(name).lower() for name in value.get("AllowHeaders") or ()),
        expose_headers=tuple(value.get("ExposeHeaders") or ()),
        max_age_s=None if value.get("MaxAge") is None else int(value["MaxAge"]),
        credentials=_flag(value.get("AllowCredentials", False)),
    )


def _flag(value: Any) -> bool:
    return str(value).lower() == "true"
