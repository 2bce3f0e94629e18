"""`hearth service`: the stack as a systemd service, so that a home needs one command once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hearth_runtime.commands import options
from hearth_runtime.commands.output import MISUSED, CommandError, Output, output_of
from hearth_runtime.template.parameters import PARAMETER_PREFIX

app = typer.Typer(
    help="Run the stack as a systemd service that starts with the machine.", no_args_is_help=True
)

SYSTEM_FOLDER = Path("/etc/systemd/system")
ENVIRONMENT_FILE = "service.env"
_UNIT = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
# Passwords and keys: they go into a file that only the service's user reads, as variables.
_SECRET_OPTIONS = {"smtp_url": "HEARTH_SMTP_URL", "llm_api_key": "HEARTH_LLM_API_KEY"}
_NOT_IN_A_SERVICE = {"detach", "parent", "quiet", "json_"}

User = Annotated[
    bool, typer.Option("--user/--system", help="Of this user, or of the machine (needs root).")
]
UnitName = Annotated[str, typer.Option("--name", help="Name of the unit.")]


@dataclass(frozen=True, slots=True)
class Service:
    """What a unit runs.

    Attributes:
        command: `hearth up` with its options, absolute paths.
        data: Folder that the service writes to; its working directory.
        environment_file: Holds the secret options, None where there are none.
        system: Whether it is a unit of the machine.
        user: Who runs a unit of the machine.
    """

    command: tuple[str, ...]
    data: Path
    environment_file: Path | None
    system: bool
    user: str | None = None


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def install(
    ctx: typer.Context,
    user: User = True,
    name: UnitName = "hearth",
    run_as: Annotated[
        str | None, typer.Option("--run-as", help="User of a --system service; root's caller.")
    ] = None,
    print_: Annotated[
        bool, typer.Option("--print", help="Show the unit; write and start nothing.")
    ] = False,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Enable and start it at once.")
    ] = True,
    json_: options.JsonFlag = False,
) -> None:
    """Write a unit for `hearth up` with the options that follow, and start it."""
    output = output_of(ctx)
    given = _options_of_up(ctx.args)
    service, secrets = plan(given, system=not user, user=run_as)
    text = unit_text(service)
    path = _folder(user) / f"{_checked(name)}.service"
    if print_:
        if output.json:
            output.answer({"path": str(path), "unit": text})
        else:
            output.line(text.rstrip("\n"))
        return
    service.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if service.environment_file is not None:
        _write(service.environment_file, environment_text(secrets), 0o600)
    _write(path, text, 0o644)
    ran, commands = _systemctl(
        user, ["daemon-reload"], ["enable", "--now" if start else "--quiet", path.name]
    )
    if output.json:
        output.answer({"path": str(path), "started": ran and start, "commands": commands})
        return
    output.say(f"{path} is written.")
    _say_what_is_next(output, user, path.name, ran, commands)


@app.command()
def uninstall(
    ctx: typer.Context,
    user: User = True,
    name: UnitName = "hearth",
    json_: options.JsonFlag = False,
) -> None:
    """Stop the service and remove its unit; the data folder stays."""
    output = output_of(ctx)
    path = _folder(user) / f"{_checked(name)}.service"
    if not path.exists():
        raise CommandError(f"{path} does not exist.", "See --name, --user and --system.")
    stopped, first = _systemctl(user, ["disable", "--now", path.name])
    try:
        path.unlink()
    except OSError as error:
        raise _cannot(path, error) from None
    _, second = _systemctl(user, ["daemon-reload"])
    if output.json:
        output.answer({"path": str(path), "stopped": stopped, "commands": first + second})
    output.say(f"{path} is removed.")
    if not stopped:
        output.say("systemd could not be asked to stop it; run: " + "; ".join(first + second))


def plan(given: typer.Context, *, system: bool, user: str | None) -> tuple[Service, dict[str, str]]:
    """What a unit runs for a parsed `hearth up`, and the secret options as variables."""
    values = given.params
    data = Path(values["data"]).resolve()
    secrets = {
        variable: str(values[option])
        for option, variable in _SECRET_OPTIONS.items()
        if values.get(option)
    }
    for pair in values.get("param") or ():
        name, equals, value = pair.partition("=")
        if not (equals and re.fullmatch("[A-Za-z0-9]+", name)):
            raise CommandError(f"--param {name} is not NAME=VALUE.", code=MISUSED)
        secrets[PARAMETER_PREFIX + name] = value
    command = (sys.executable, "-m", "hearth_runtime", "up", *_arguments(given, data))
    for text in (*command, *secrets.values()):
        if any(ord(character) < 32 for character in text):
            raise CommandError(
                "An option holds a control character, which a unit cannot hold.", code=MISUSED
            )
    environment_file = data / ENVIRONMENT_FILE if secrets else None
    return Service(
        command, data, environment_file, system, _user(user) if system else None
    ), secrets


def unit_text(service: Service) -> str:
    """The unit file. Reference: systemd.service(5), systemd.exec(5), systemd.kill(5)."""
    lines = [
        "# Written by `hearth service install`.",
        "[Unit]",
        "Description=Hearth: watches, understands and looks after a home",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=600",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(map(quoted_argument, service.command))}",
        f"WorkingDirectory={escaped_path(service.data)}",
        "Environment=PYTHONUNBUFFERED=1",
    ]
    if service.environment_file is not None:
        lines.append(f"EnvironmentFile={escaped_path(service.environment_file)}")
    if service.user is not None:
        lines.append(f"User={service.user}")
    lines += [
        "Restart=on-failure",
        "RestartSec=5",
        "# Wrong options: starting again would not help.",
        "RestartPreventExitStatus=2",
        "# The runtime ends its functions and watchers in order; what is left is killed.",
        "KillMode=mixed",
        "TimeoutStopSec=60",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
    ]
    if service.system:
        lines += [
            "ProtectSystem=strict",
            f"ReadWritePaths={quoted_path(service.data)}",
            "ProtectHome=read-only",
            "PrivateTmp=yes",
            "ProtectControlGroups=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "CapabilityBoundingSet=",
        ]
    else:
        # The manager of a user has no mount namespace to give without user namespaces.
        lines.append("ProtectSystem=full")
    target = "multi-user.target" if service.system else "default.target"
    return "\n".join([*lines, "", "[Install]", f"WantedBy={target}", ""])


def quoted_argument(text: str) -> str:
    """An argument of ExecStart=: quoted, without specifiers (%) and variables ($)."""
    return quoted_path(text).replace("$", "$$")


def quoted_path(path: Path | str) -> str:
    """A word of a setting that takes several: quoted, without specifiers."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[A-Za-z0-9_./:=@,+-]+", text) else f'"{text}"'


def escaped_path(path: Path) -> str:
    """The value of a setting that takes one path: the rest of the line, without specifiers."""
    return str(path).replace("%", "%%")


def environment_text(variables: Mapping[str, str]) -> str:
    """An EnvironmentFile=: values in double quotes, so that nothing in them is a comment."""
    lines = []
    for name, value in variables.items():
        escaped = re.sub(r'([\\"`$])', r"\\\1", value)
        lines.append(f'{name}="{escaped}"\n')
    return "".join(lines)


def _options_of_up(arguments: list[str]) -> typer.Context:
    """The options as `hearth up` reads them: a wrong one ends this command as it would end that."""
    from typer.main import get_command

    from hearth_runtime import cli

    group: Any = get_command(cli.app)
    context: typer.Context = group.commands["up"].make_context("hearth up", list(arguments))
    return context


def _arguments(given: typer.Context, data: Path) -> list[str]:
    """What differs from the defaults, with absolute paths."""
    left_out = {"data", "template", "param", *_SECRET_OPTIONS, *_NOT_IN_A_SERVICE}
    template = options.template_path(given.params["template"])
    arguments = [f"--data={data}", f"--template={template}"]
    for parameter in given.command.params:
        name, value = parameter.name or "", given.params.get(parameter.name or "")
        if name in left_out or value == parameter.get_default(given):
            continue
        if isinstance(value, bool):
            arguments.append(parameter.opts[0] if value else parameter.secondary_opts[0])
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            is_file = isinstance(one, Path) or (name == "classes" and Path(one).is_file())
            arguments.append(f"{parameter.opts[0]}={Path(one).resolve() if is_file else one}")
    return arguments


def _user(given: str | None) -> str:
    user = given or os.environ.get("SUDO_USER") or os.environ.get("USER") or "root"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", user):
        raise CommandError(f"--run-as {user!r} is not a user name.", code=MISUSED)
    return user


def _folder(user: bool) -> Path:
    if not user:
        return SYSTEM_FOLDER
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "systemd/user"


def _checked(name: str) -> str:
    if not _UNIT.fullmatch(name):
        raise CommandError(f"--name {name[:100]!r} must be letters, digits, - and _.", code=MISUSED)
    return name


def _write(path: Path, text: str, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise _cannot(path, error) from None


def _cannot(path: Path, error: OSError) -> CommandError:
    return CommandError(
        f"{path} cannot be written: {error.strerror}.",
        "A unit of the machine needs root: use sudo, or --user.",
    )


def _systemctl(user: bool, *calls: list[str]) -> tuple[bool, list[str]]:
    """Run systemctl; returns whether all went well, and what was or is to be run."""
    base = ["systemctl", *(["--user"] if user else [])]
    commands = [" ".join([*base, *call]) for call in calls]
    program = shutil.which("systemctl")
    if program is None or not Path("/run/systemd/system").is_dir():
        return False, commands
    for call in calls:
        done = subprocess.run(  # noqa: S603 - a list, no shell
            [program, *base[1:], *call], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            return False, commands
    return True, commands


def _say_what_is_next(
    output: Output, user: bool, unit: str, ran: bool, commands: list[str]
) -> None:
    flag = "--user " if user else ""
    if not ran:
        output.say("systemd could not be asked to start it; run:")
        for command in commands:
            output.say(f"  {command}")
    output.say(f"See it: systemctl {flag}status {unit}; journalctl {flag}-u {unit}")
    if user:
        output.say("So that it runs while nobody is logged in: loginctl enable-linger")
