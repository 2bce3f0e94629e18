"""Options that several commands share, and what they mean to the template."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from hearth_runtime.commands.output import MISUSED, CommandError, set_json
from hearth_runtime.template.parameters import PARAMETER_PREFIX

JsonFlag = Annotated[
    bool, typer.Option("--json", help="JSON instead of text.", callback=set_json, is_eager=True)
]
Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="HEARTH_DATA", help="Folder that holds everything a stack keeps."
    ),
]
Template = Annotated[
    Path | None, typer.Option("--template", help="SAM template; that of the project by default.")
]
Parameter = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Parameter of the template; repeatable."),
]
Stack = Annotated[str, typer.Option("--stack", help="Name of the stack.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="HTTP API of a stack elsewhere; the running one by default."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        envvar="HEARTH_ENDPOINT_URL",
        help="An S3 and SQS server that runs already; by default one is started.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Detection model: YOLO or a DETR as ONNX, or a folder of `hearth models`; "
        "what was promoted in the data folder by default.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE|a,b,c|coco",
        help="Names of the model's classes; coco: COCO's 80.",
    ),
]
Backend = Annotated[
    str | None, typer.Option("--backend", help="auto, onnxruntime or openvino runs the model.")
]
Policy = Annotated[Path | None, typer.Option("--policy", help="Safety policy, a YAML file.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="home|worksite",
        help="Without a policy: nobody has to wear anything, or helmet and vest.",
    ),
]
Confidence = Annotated[
    float | None, typer.Option("--confidence", help="Detections that score lower are dropped.")
]
SmtpUrl = Annotated[
    str | None,
    typer.Option("--smtp-url", envvar="HEARTH_SMTP_URL", help="smtp://user:password@host:port."),
]
EmailTo = Annotated[str | None, typer.Option("--email-to", help="Recipients, by commas.")]
EmailFrom = Annotated[str | None, typer.Option("--email-from", help="Sender of e-mails.")]
LlmBaseUrl = Annotated[
    str | None, typer.Option("--llm-base-url", help="OpenAI-compatible endpoint (…/v1).")
]
LlmModel = Annotated[str | None, typer.Option("--llm-model", help="Model the endpoint knows.")]
LlmApiKey = Annotated[
    str | None,
    typer.Option("--llm-api-key", envvar="HEARTH_LLM_API_KEY", help="Better set in the variable."),
]
Functions = Annotated[
    Path | None,
    typer.Option(
        "--functions",
        metavar="DIR",
        help="Functions of your own, each a folder that `hearth new NAME --into DIR` wrote.",
    ),
]
Containers = Annotated[
    bool, typer.Option("--containers", help="Run functions as containers of their images.")
]
ImageTag = Annotated[
    str, typer.Option("--image-tag", help="Tag of the images; that of scripts/build by default.")
]
Replicas = Annotated[
    list[str] | None,
    typer.Option(
        "--replicas",
        metavar="FUNCTION=N",
        help="Processes or containers for a function; repeatable.",
    ),
]
Timezone = Annotated[str | None, typer.Option("--timezone", help="IANA zone of the site.")]
SiteName = Annotated[str | None, typer.Option("--site-name", help="Printed on reports.")]

# Parameters from the program that starts us, as a JSON object: see `start_stack`.
PARAMETERS = "HEARTH_PARAMETERS"
# Where `hearth models` keeps models in a data folder, and says which is in force.
REGISTRY = "models"
SERVED = "served.json"
DEFAULT_DATA = Path("data")


def template_path(given: Path | None) -> Path:
    """The template that was named, or that of the project around the package or here.

    Raises:
        CommandError: The template does not exist.
    """
    if given is not None:
        if not given.is_file():
            raise CommandError(
                f"Template {given} does not exist.", "Check --template.", code=MISUSED
            )
        return given.resolve()
    # An editable install lies in its project; any other one is used from within a project.
    for folder in (Path(__file__).resolve().parents[3], Path.cwd()):
        if (folder / "template.yaml").is_file():
            return folder / "template.yaml"
    raise CommandError(
        f"{Path.cwd()} holds no template.yaml.",
        "Go to the project's folder, or name the file with --template.",
        code=MISUSED,
    )


def template_parameters(
    given: Sequence[str] | None,
    *,
    model: Path | None = None,
    classes: str | None = None,
    policy: Path | None = None,
    values: Mapping[str, str | float | None],
    registry_of: Path | None = None,
) -> dict[str, str]:
    """Parameters for the template, from --param, the flags that stand for some of them, and the
    environment (HEARTH_PARAM_SiteName).

    Without a model the one that was promoted in `registry_of`, the data folder, is in force.

    A flag wins over a --param of the same meaning, and that over the environment. Paths become
    absolute, because functions run in a folder of their own.

    Raises:
        CommandError: A file is missing, a --param is not NAME=VALUE, or a time zone does not exist.
    """
    # As compose.yaml sets them: one that is empty was not given.
    parameters: dict[str, str] = {
        variable.removeprefix(PARAMETER_PREFIX): value
        for variable, value in os.environ.items()
        if variable.startswith(PARAMETER_PREFIX) and value
    }
    parameters |= json.loads(os.environ.pop(PARAMETERS, "") or "{}")
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not (equals and name):
            raise CommandError(
                f"--param {pair} is not NAME=VALUE.",
                "For example --param SiteName=Dock.",
                code=MISUSED,
            )
        parameters[name] = value
    if model is not None:
        registry = model / SERVED
        found = registry.parent.resolve() if registry.is_file() else _file(model, "--model")
        parameters["ModelPath"] = str(found)
    elif (
        registry_of is not None
        and not (parameters.get("ModelPath") or classes)
        and (promoted := registry_of / REGISTRY / SERVED).is_file()
    ):
        parameters["ModelPath"] = str(promoted.parent.resolve())
    if classes is not None:
        named = Path(classes)
        is_file = named.is_file() or (os.sep in classes and "," not in classes)
        parameters["ModelClasses"] = str(_file(named, "--classes")) if is_file else classes
    if policy is not None:
        parameters["Policy"] = str(_file(policy, "--policy"))
    parameters.update({name: str(value) for name, value in values.items() if value is not None})
    site_zone(parameters)
    policy_file = Path(parameters.get("Policy") or ".")
    if policy_file.is_file():
        check_policy(policy_file)
    return parameters


def site_zone(parameters: Mapping[str, str]) -> ZoneInfo:
    """The time zone of the site, UTC by default.

    Raises:
        CommandError: It does not exist.
    """
    name = parameters.get("Timezone") or "UTC"
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # as for an unknown name, a folder, a wrong sign
        raise CommandError(
            f"The time zone {name} does not exist.",
            "Give --timezone an IANA name, for example Europe/Berlin.",
            code=MISUSED,
        ) from None


def _file(path: Path, option: str) -> Path:
    if not path.is_file():
        raise CommandError(f"File {path} does not exist.", f"Check {option}.", code=MISUSED)
    return path.resolve()


def check_policy(path: Path) -> None:
    """Have `detection` read a policy, before a stack starts with it.

    Raises:
        CommandError: It is not valid; the message says where.
    """
    if importlib.util.find_spec("functions.detection") is None:
        return  # where Compose runs the functions, they say it themselves
    command = [sys.executable, "-m", "functions.detection.policy", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["the policy cannot be read"])[-1]
        raise CommandError(
            said if said.endswith("?") else f"{said}.",
            "functions/detection/policy.example.yaml shows all that a policy may hold.",
        )
