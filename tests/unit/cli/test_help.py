"""What a newcomer types first."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from hearth_runtime.cli import app


@pytest.mark.parametrize("arguments", [["-h"], ["up", "-h"], ["cameras", "add", "-h"]], ids=str)
def test_help_has_its_short_name_everywhere(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert "Usage: " in shown.output


def test_the_version_is_that_of_the_installed_package() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"hearth {version('hearth')}\n")
