"""The options that `hearth up`, `run` and `demo` share, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from hearth_runtime.commands import options
from hearth_runtime.launchers.container_images import BUILT_TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """How a stack is run; `None` leaves a parameter to the template's default."""

    data: options.Data = options.DEFAULT_DATA
    template: options.Template = None
    param: options.Parameter = None
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the HTTP API; 0 takes a free one. `up` takes 8080 if that is free.",
        ),
    ] = None
    endpoint_url: options.EndpointUrl = None
    functions: options.Functions = None
    containers: options.Containers = False
    image_tag: options.ImageTag = BUILT_TAG
    replicas: options.Replicas = None
    model: options.Model = None
    classes: options.Classes = None
    backend: options.Backend = None
    policy: options.Policy = None
    profile: options.Profile = None
    confidence: options.Confidence = None
    smtp_url: options.SmtpUrl = None
    email_to: options.EmailTo = None
    email_from: options.EmailFrom = None
    llm_base_url: options.LlmBaseUrl = None
    llm_model: options.LlmModel = None
    llm_api_key: options.LlmApiKey = None
    timezone: options.Timezone = None
    site_name: options.SiteName = None

    def template_path(self) -> Path:
        """The template that was named, or the project's own.

        Raises:
            CommandError: The template does not exist.
        """
        return options.template_path(self.template)

    def parameters(
        self, *, policy: Path | None = None, in_containers_of_compose: bool = False
    ) -> dict[str, str]:
        """The template's parameters, from options and environment.

        Args:
            policy: Replaces the policy of the options.
            in_containers_of_compose: Functions see another folder, the one that MODELS names, so
                the registry of models in the data folder is of no use to them.

        Raises:
            CommandError: A file does not exist, or a --param is not NAME=VALUE.
        """
        return options.template_parameters(
            self.param,
            model=self.model,
            classes=self.classes,
            policy=policy or self.policy,
            registry_of=None if in_containers_of_compose else self.data,
            values={
                "ModelBackend": self.backend,
                "SiteProfile": self.profile,
                "ConfidenceThreshold": self.confidence,
                "SmtpUrl": self.smtp_url,
                "EmailTo": self.email_to,
                "EmailFrom": self.email_from,
                "LlmBaseUrl": self.llm_base_url,
                "LlmModel": self.llm_model,
                "LlmApiKey": self.llm_api_key,
                "Timezone": self.timezone,
                "SiteName": self.site_name,
            },
        )

    def arguments(self) -> list[str]:
        """Arguments with which `hearth up` runs the same stack; parameters of the template are not
        among them, because some are passwords and a command line is public."""
        arguments = ["--data", str(self.data), "--port", str(self.port or 0)]
        arguments += ["--template", str(self.template_path())]
        arguments += ["--endpoint-url", self.endpoint_url] if self.endpoint_url else []
        arguments += ["--functions", str(self.functions)] if self.functions else []
        arguments += ["--containers", "--image-tag", self.image_tag] if self.containers else []
        return arguments + [f"--replicas={pair}" for pair in self.replicas or ()]


def takes_stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: Typer sees the fields of `StackOptions` in place of `stack_options`."""
    signature = inspect.signature(command)
    hints = get_type_hints(StackOptions, include_extras=True)
    own_hints = get_type_hints(command, include_extras=True)
    shared = {
        item.name: inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=item.default,
            annotation=hints[item.name],
        )
        for item in fields(StackOptions)
    }

    @wraps(command)
    def expanded(ctx: typer.Context, **given: Any) -> None:
        values = {name: given.pop(name) for name in shared if name in given}
        command(ctx, stack_options=StackOptions(**values), **given)

    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name == "stack_options":
            parameters += shared.values()
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[name])
            )
    parameters[0] = parameters[0].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    vars(expanded).pop("__wrapped__", None)
    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {item.name: item.annotation for item in parameters}
    return expanded
