"""Reads template.yaml: AWS SAM with the resource types that Hearth uses.

A resource that the runtime would have to imitate and cannot is an error, never left out silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hearth_runtime.engine.functions import FunctionSpec
from hearth_runtime.template import function_events

from .intrinsics import NO_VALUE, Resolver, TemplateError, load_yaml
from .model import (
    Api,
    Bucket,
    CustomResource,
    Expiration,
    Notification,
    Queue,
    Redrive,
    Template,
)
from .parameters import parameter_values

FUNCTION = "AWS::Serverless::Function"
HTTP_API = "AWS::Serverless::HttpApi"
QUEUE = "AWS::SQS::Queue"
BUCKET = "AWS::S3::Bucket"

# Permissions, monitoring and the cloud's own database: nothing at home depends on them.
NEEDS_NOTHING = (
    "AWS::IAM::",
    "AWS::Logs::",
    "AWS::CloudWatch::",
    "AWS::KMS::",
    "AWS::DSQL::",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Lambda::Permission",
    "AWS::CloudFormation::Stack",
    "AWS::Serverless::Application",
)
# How AWS deploys, permits and logs. Not resolved: it may name resources that home does without.
NOT_AT_HOME: Mapping[str, tuple[str, ...]] = {
    FUNCTION: (
        "AutoPublishAlias",
        "AutoPublishCodeSha256",
        "DeploymentPreference",
        "LoggingConfig",
        "Policies",
    ),
    HTTP_API: ("AccessLogSettings",),
}
_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
    "FifoQueue",
    "ContentBasedDeduplication",
    "SqsManagedSseEnabled",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What Ref and GetAtt answer for one resource."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Names that pseudo parameters answer."""

    stack: str = "hearth"
    region: str = "us-east-1"
    account: str = "000000000000"


class TemplateSource:
    """A parsed template, to be resolved with parameters, and again once real ids are known."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.parameters: Mapping[str, Any] = document.get("Parameters") or {}

    @classmethod
    def read(cls, path: Path, plugins: Path | None = None) -> TemplateSource:
        """Read a template, with the resources of each `template.yaml` of a folder of plugins.

        Raises:
            TemplateError: A file is missing or not a template, or a resource is there twice.
        """
        document = _document(path)
        return cls(document if plugins is None else with_plugins(document, plugins))

    def resolve(
        self,
        parameters: Mapping[str, str],
        place: Place | None = None,
        known: Mapping[str, Identity] | None = None,
    ) -> Template:
        """Resolve the template. Resources in `known` answer with what really exists; for the
        others the ids are predicted, which is what provisioning starts from.

        Raises:
            TemplateError: The first thing that is wrong or unsupported.
        """
        return _Reader(self._document, parameters, place or Place(), known or {}).template()


def with_plugins(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """`document` with the resources of `<folder>/*/template.yaml`.

    Raises:
        TemplateError: There is none, one of them holds something else than resources, or names a
            resource that is there already.
    """
    paths = sorted(folder.glob("*/template.yaml"))
    if not paths:
        raise TemplateError(
            f"There is no plugin in {folder}: hearth new NAME --http --into {folder} writes one."
        )
    resources = dict(document.get("Resources") or {})
    for path in paths:
        plugin = _document(path)
        if set(plugin) != {"Resources"} or not isinstance(plugin["Resources"], Mapping):
            raise TemplateError(f"{path} must hold Resources and nothing else.")
        if taken := sorted(resources.keys() & plugin["Resources"].keys()):
            raise TemplateError(f"{path}: the resource {taken[0]} exists already; rename it.")
        resources |= plugin["Resources"]
    return {**document, "Resources": resources}


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TemplateError(f"Cannot read the template {path}: {error.strerror}.") from error
    return load_yaml(text, str(path))


class _Reader:
    def __init__(
        self,
        document: Mapping[str, Any],
        parameters: Mapping[str, str],
        place: Place,
        known: Mapping[str, Identity],
    ) -> None:
        self._document = document
        self._place = place
        refs: dict[str, Any] = {
            "AWS::StackName": place.stack,
            "AWS::Region": place.region,
            "AWS::AccountId": place.account,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackId": f"arn:aws:cloudformation:{place.region}:{place.account}"
            f":stack/{place.stack}/local",
            **parameter_values(document.get("Parameters") or {}, parameters),
        }
        mappings = document.get("Mappings") or {}
        conditions = document.get("Conditions") or {}
        # Names may use parameters but no other resource, so they are resolved first.
        names = Resolver(refs, {}, mappings, conditions)
        self._resources: dict[str, Mapping[str, Any]] = {
            logical_id: resource
            for logical_id, resource in (document.get("Resources") or {}).items()
            if "Condition" not in resource or names.holds(resource["Condition"])
        }
        identities = {
            logical_id: known.get(logical_id) or self._predict(logical_id, resource, names)
            for logical_id, resource in self._resources.items()
        }
        self._arns = {
            identity.attributes["Arn"]: logical_id
            for logical_id, identity in identities.items()
            if "Arn" in identity.attributes
        }
        self._identities = identities
        self._resolver = Resolver(
            refs
            | {logical_id: identity.ref for logical_id, identity in identities.items()}
            # SAM's names for the alias of a function; here every alias is the function itself.
            | {
                f"{logical_id}.Alias": identities[logical_id].attributes["Arn"]
                for logical_id, resource in self._resources.items()
                if resource.get("Type") == FUNCTION
            },
            {logical_id: identity.attributes for logical_id, identity in identities.items()},
            mappings,
            conditions,
        )

    def template(self) -> Template:
        functions = list(self._of_type(FUNCTION))
        events = function_events.Events(self._function_of_arn, self._queue_of_arn)
        specs = []
        for logical_id, properties in functions:
            spec = self._function(logical_id, properties)
            specs.append(spec)
            events.add(logical_id, spec.name, properties.get("Events") or {})
        return Template(
            functions=tuple(specs),
            queues=tuple(self._queue(*item) for item in self._of_type(QUEUE)),
            buckets=tuple(self._bucket(*item) for item in self._of_type(BUCKET)),
            api=self._api(events),
            mappings=tuple(events.mappings),
            schedules=tuple(events.schedules),
            custom_resources=tuple(self._custom_resources()),
            ignored=tuple(self._ignored()),
            outputs=self._outputs(),
        )

    def _of_type(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for logical_id, resource in self._resources.items():
            if resource.get("Type") == kind:
                yield logical_id, self._properties(logical_id, resource)

    def _properties(self, logical_id: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        properties = resource.get("Properties") or {}
        section = {FUNCTION: "Function", HTTP_API: "HttpApi"}.get(resource["Type"])
        if section is not None:
            shared = (self._document.get("Globals") or {}).get(section) or {}
            properties = _merged(shared, properties)
            left_out = NOT_AT_HOME[resource["Type"]]
            properties = {key: properties[key] for key in properties if key not in left_out}
        resolved: dict[str, Any] = self._resolver.resolve(properties, logical_id)
        return resolved

    def _predict(self, logical_id: str, resource: Mapping[str, Any], names: Resolver) -> Identity:
        place, kind = self._place, resource.get("Type")
        properties = resource.get("Properties") or {}

        def name(key: str, default: str) -> str:
            given = names.resolve(properties.get(key, NO_VALUE), f"{logical_id}.{key}")
            return default if given is NO_VALUE else str(given)

        default = f"{place.stack}-{logical_id}"
        if kind == QUEUE:
            own = name("QueueName", default)
            return Identity(
                f"https://sqs.{place.region}.amazonaws.com/{place.account}/{own}",
                {"Arn": f"arn:aws:sqs:{place.region}:{place.account}:{own}", "QueueName": own},
            )
        if kind == BUCKET:
            own = name("BucketName", default.lower())
            return Identity(own, {"Arn": f"arn:aws:s3:::{own}"})
        if kind == FUNCTION:
            own = name("FunctionName", default)
            arn = f"arn:aws:lambda:{place.region}:{place.account}:function:{own}"
            return Identity(own, {"Arn": arn})
        return Identity(default)

    def _function(self, logical_id: str, properties: Mapping[str, Any]) -> FunctionSpec:
        name = self._identities[logical_id].ref
        command = (properties.get("ImageConfig") or {}).get("Command") or []
        handler = command[0] if command else properties.get("Handler")
        if not handler:
            raise TemplateError(f"{logical_id}: ImageConfig.Command or Handler is needed.")
        variables = (properties.get("Environment") or {}).get("Variables") or {}
        for key, value in variables.items():
            if isinstance(value, (dict, list)):
                raise TemplateError(f"{logical_id}: environment variable {key} is not a text.")
        reserved = properties.get("ReservedConcurrentExecutions")
        return FunctionSpec(
            name=name,
            short_name=name.removeprefix(f"{self._place.stack}-"),
            handler=str(handler),
            environment={key: _text(value) for key, value in variables.items()},
            timeout_s=float(properties.get("Timeout", 3)),
            memory_mb=int(properties.get("MemorySize", 128)),
            reserved_concurrency=None if reserved is None else int(reserved),
        )

    def _queue(self, logical_id: str, properties: Mapping[str, Any]) -> Queue:
        policy = properties.get("RedrivePolicy")
        return Queue(
            logical_id=logical_id,
            name=self._identities[logical_id].attributes["QueueName"],
            attributes={
                key: _text(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties
            },
            redrive=None
            if policy is None
            else Redrive(
                self._queue_of_arn(policy["deadLetterTargetArn"], f"{logical_id}.RedrivePolicy"),
                int(policy["maxReceiveCount"]),
            ),
        )

    def _bucket(self, logical_id: str, properties: Mapping[str, Any]) -> Bucket:
        configuration = properties.get("NotificationConfiguration") or {}
        if other := sorted(configuration.keys() - {"QueueConfigurations"}):
            raise TemplateError(
                f"{logical_id}.NotificationConfiguration.{other[0]} is not supported by the local"
                " runtime: announce objects on a queue."
            )
        notifications = []
        for item in configuration.get("QueueConfigurations") or []:
            rules = ((item.get("Filter") or {}).get("S3Key") or {}).get("Rules") or []
            parts = {str(rule["Name"]).lower(): str(rule["Value"]) for rule in rules}
            queue_id = self._queue_of_arn(item["Queue"], f"{logical_id}.NotificationConfiguration")
            notifications.append(
                Notification(
                    item["Event"], queue_id, parts.get("prefix", ""), parts.get("suffix", "")
                )
            )
        rules = (properties.get("LifecycleConfiguration") or {}).get("Rules") or []
        expirations = (_expiration(rule, f"{logical_id}.LifecycleConfiguration") for rule in rules)
        return Bucket(
            logical_id,
            self._identities[logical_id].ref,
            tuple(notifications),
            tuple(filter(None, expirations)),
        )

    def _api(self, events: function_events.Events) -> Api:
        declared = list(self._of_type(HTTP_API))
        apis: set[str | None] = {self._identities[logical_id].ref for logical_id, _ in declared}
        apis |= {event.api_id for event in events.routes}  # None is the API that SAM implies
        if len(apis) > 1:
            raise TemplateError(
                f"The local runtime serves one HTTP API, this template has {len(apis)}."
            )
        properties = declared[0][1] if declared else {}
        return function_events.http_api(events.routes, properties, self._function_of_arn)

    def _custom_resources(self) -> Iterator[CustomResource]:
        for logical_id, resource in self._resources.items():
            kind = str(resource.get("Type"))
            if not kind.startswith("Custom::") and kind != "AWS::CloudFormation::CustomResource":
                continue
            properties = self._properties(logical_id, resource)
            function = self._function_of_arn(properties.pop("ServiceToken", ""), logical_id)
            timeout_s = float(properties.pop("ServiceTimeout", 3600))
            yield CustomResource(logical_id, kind, function, properties, timeout_s)

    def _ignored(self) -> Iterator[str]:
        for logical_id, resource in self._resources.items():
            kind = str(resource.get("Type"))
            if kind in (FUNCTION, HTTP_API, QUEUE, BUCKET) or kind.startswith("Custom::"):
                continue
            if kind == "AWS::CloudFormation::CustomResource":
                continue
            if not kind.startswith(NEEDS_NOTHING):
                raise TemplateError(
                    f"{logical_id}: the local runtime has no {kind}; give the resource a"
                    " Condition that is false at home, or remove it."
                )
            yield f"{logical_id} ({kind})"

    def _outputs(self) -> dict[str, Any]:
        outputs = {}
        for name, output in (self._document.get("Outputs") or {}).items():
            if "Condition" not in output or self._resolver.holds(output["Condition"]):
                outputs[name] = self._resolver.resolve(output.get("Value"), f"Outputs.{name}")
        return outputs

    def _queue_of_arn(self, arn: Any, where: str) -> str:
        return self._resource_of_arn(arn, QUEUE, where)

    def _function_of_arn(self, arn: Any, where: str) -> str:
        return self._identities[self._resource_of_arn(arn, FUNCTION, where)].ref

    def _resource_of_arn(self, arn: Any, kind: str, where: str) -> str:
        logical_id = self._arns.get(str(arn))
        if logical_id is None or self._resources[logical_id].get("Type") != kind:
            raise TemplateError(f"{where}: {arn!r} is not the Arn of an {kind} of this template.")
        return logical_id


def _expiration(rule: Mapping[str, Any], where: str) -> Expiration | None:
    """What a lifecycle rule removes; None where it only does what home needs not: storage classes,
    versions, uploads in parts."""
    if str(rule.get("Status")) != "Enabled":
        return None
    if "ExpirationDate" in rule:
        raise TemplateError(f"{where}: the local runtime has no ExpirationDate, give a number.")
    if "ExpirationInDays" not in rule:
        return None
    # Removing too much would be worse than an error.
    if other := sorted(rule.keys() & {"TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}):
        raise TemplateError(f"{where}: the local runtime chooses by Prefix only, not {other[0]}.")
    days = _text(rule["ExpirationInDays"])
    if not days.isdecimal() or int(days) < 1:
        raise TemplateError(f"{where}: ExpirationInDays {days!r} must be a number of days.")
    return Expiration(str(rule.get("Prefix", "")), int(days))


def _merged(shared: Any, own: Any) -> Any:
    """SAM's rule for Globals: mappings are merged, lists are joined, the rest is replaced."""
    if _plain_mapping(shared) and _plain_mapping(own):
        return {
            **shared,
            **{key: _merged(shared[key], own[key]) if key in shared else own[key] for key in own},
        }
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own


def _plain_mapping(value: Any) -> bool:
    """Whether it is a mapping and no intrinsic function."""
    return isinstance(value, dict) and not (
        len(value) == 1 and (key := str(next(iter(value)))) and (key == "Ref" or key[:4] == "Fn::")
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
