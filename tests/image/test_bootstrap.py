"""The entry script of the images, without an image."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).resolve().parents[2] / "layers/core/image/bootstrap"
Start = Callable[..., subprocess.CompletedProcess[str]]
HANDLER = "functions.jobs.main.lambda_handler"


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts the script where `python` and the emulator only say how they were called."""
    for program in ("python", "aws-lambda-rie"):
        stand_in = tmp_path / program
        stand_in.write_text(f'#!/bin/sh\necho {program} "$@"\n')
        stand_in.chmod(0o755)
    script = tmp_path / "bootstrap"

    def run(
        *arguments: str, emulator: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]:
        place = tmp_path / ("aws-lambda-rie" if emulator else "not-there")
        text = BOOTSTRAP.read_text().replace("/usr/local/bin/aws-lambda-rie", str(place))
        script.write_text(text)
        return subprocess.run(
            ["/bin/sh", script, *arguments],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", **env},
            capture_output=True,
            text=True,
        )

    return run


def test_with_a_runtime_api_it_becomes_the_runtime_client(start: Start) -> None:
    result = start(HANDLER, emulator=True, AWS_LAMBDA_RUNTIME_API="127.0.0.1:9001")
    assert (result.returncode, result.stdout) == (0, f"python -m awslambdaric {HANDLER}\n")


def test_an_emulator_that_starts_it_directly_names_the_handler_in_the_environment(
    start: Start,
) -> None:
    result = start(AWS_LAMBDA_RUNTIME_API="127.0.0.1:9001", _HANDLER=HANDLER)
    assert (result.returncode, result.stdout) == (0, f"python -m awslambdaric {HANDLER}\n")


def test_without_a_runtime_api_the_interface_emulator_runs_it_again(start: Start) -> None:
    result = start(HANDLER, emulator=True)
    assert result.stdout == f"aws-lambda-rie /var/runtime/bootstrap {HANDLER}\n"


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        ((), {}, "no handler was given; name one as the container's command"),
        ((), {"AWS_LAMBDA_RUNTIME_API": "x:1"}, "no handler was given"),
        ((HANDLER,), {}, "AWS_LAMBDA_RUNTIME_API is not set and there is no"),
        ((HANDLER,), {"AWS_LAMBDA_RUNTIME_API": ""}, "mount the emulator there"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(
    start: Start, arguments: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    result = start(*arguments, **env)
    assert result.returncode == 64
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
