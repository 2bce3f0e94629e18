"""How to run one stack, and what that means to the template's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hearth_runtime.http.proxies import Network
from hearth_runtime.http.tls import Certificate
from hearth_runtime.launchers.container_images import BUILT_TAG
from hearth_runtime.template.plugins import PLUGINS_PARAMETER, declarations_of
from hearth_runtime.template.reader import TemplateSource

DATABASE_PARAMETER = "DatabaseUrl"
CONCURRENCY_PARAMETER, CONCURRENCY_AT_HOME = "ApiConcurrency", "20"
MODEL_PARAMETER, CLASSES_PARAMETER = "ModelPath", "ModelClasses"
SETUP_TOKEN_PARAMETER = "SetupToken"  # noqa: S105 (its name)
REGISTRY = "models"


@dataclass(frozen=True)
class RuntimeConfig:
    """How to run one stack.

    `data` holds everything that outlives the process. `port` (gateway) and `control_port` of 0
    take free ports; a `port` of None takes 8080 if that is free. `tls` and `trusted_proxies` are
    the gateway's. `endpoint_url` None starts MiniStack on loopback. `parameters` override the
    template's defaults; `replicas` maps short function names to processes; `idle_s` is the idle
    time in seconds after which a function's process ends. `plugins` is a folder of functions of the
    user's own. `containers` runs functions in images
    with the tag `image_tag`; `reload` watches their sources. `log_format` says how records are
    shown on standard error: "json", "text", or "none"; the log file has them all.

    `cameras` has the stack's own cameras watched, where the template has a function for them.

    `attached` is our "name:port" for containers that others start for the functions (attached.py);
    S3 and SQS then listen for them on port 4566. `memory_mb` is what all functions may take
    together (memory_limits.py).
    """

    template: Path
    data: Path
    stack: str = "hearth"
    host: str = "127.0.0.1"
    port: int | None = 0
    control_port: int = 0
    tls: Certificate | None = None
    trusted_proxies: tuple[Network, ...] = ()
    endpoint_url: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    idle_s: float = 300.0
    attached: str | None = None
    memory_mb: int | None = None
    containers: bool = False
    image_tag: str = BUILT_TAG
    reload: bool = False
    cameras: bool = True
    plugins: Path | None = None
    log_format: str = "json"


def home_parameters(source: TemplateSource, config: RuntimeConfig) -> dict[str, str]:
    """At home the database is a file beside the stack's other data, unless another is named, and so
    is the registry of models, where nothing may be promoted yet. Containers of Compose do not see
    that folder: they find the bucket's registry."""
    given = dict(config.parameters)
    declared = source.parameters.get(DATABASE_PARAMETER)
    if declared is not None and not declared.get("Default") and DATABASE_PARAMETER not in given:
        given[DATABASE_PARAMETER] = f"sqlite:///{config.data.resolve() / 'hearth.db'}"
    # Requests that wait here hold no connection: replicas do, and they are counted.
    if CONCURRENCY_PARAMETER in source.parameters:
        given.setdefault(CONCURRENCY_PARAMETER, CONCURRENCY_AT_HOME)
    if config.plugins is not None:
        given[PLUGINS_PARAMETER] = declarations_of(config.plugins, config.template.resolve().parent)
    declared = source.parameters.get(MODEL_PARAMETER)
    named = given.get(MODEL_PARAMETER) or given.get(CLASSES_PARAMETER)
    if declared is not None and not (declared.get("Default") or named or config.attached):
        given[MODEL_PARAMETER] = str(config.data.resolve() / REGISTRY)
    return given
