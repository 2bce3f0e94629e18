"""Refuse a deployment whose functions may open more connections than the database admits.

    python scripts/connections.py [--template FILE] [NAME=VALUE...]

NAME=VALUE are the template's parameters that the deployment gives; it knows no others.
"""

from __future__ import annotations

import argparse
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    parsed = parser.parse_args(arguments)
    given = ANY_SERVER | dict(parameter.split("=", 1) for parameter in parsed.parameters)
    source = TemplateSource.read(parsed.template)
    held = on_aws(source.resolve(given))
    return excess(held, limit_of(source, given), "ApiConcurrency")


if __name__ == "__main__":
    if problem := main(sys.argv[1:]):
        sys.exit(f"connections: {problem}")
