"""Refuse a deployment whose functions may open more connections than the database admits.

    python scripts/connections.py [NAME=VALUE...]

NAME=VALUE are the parameters of template.yaml that the deployment gives; it knows no others.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "localstack"))

from hearth_runtime.template.connections import excess, limit_of, on_aws  # noqa: E402
from hearth_runtime.template.reader import TemplateSource  # noqa: E402

ANY_SERVER = {"DatabaseUrl": "postgresql://hearth@database/hearth"}
"""Where the URL is in a secret, or in what was given earlier, it is some server's."""


def main(arguments: list[str]) -> str | None:
    """What is wrong with a deployment that gives these parameters, if anything."""
    given = ANY_SERVER | dict(argument.split("=", 1) for argument in arguments)
    plugins = ROOT / "plugins" if "Plugins" in given else None
    source = TemplateSource.read(ROOT / "template.yaml", plugins)
    held = on_aws(source.resolve(given))
    return excess(held, limit_of(source, given), "ApiConcurrency")


if __name__ == "__main__":
    if problem := main(sys.argv[1:]):
        sys.exit(f"connections: {problem}")
