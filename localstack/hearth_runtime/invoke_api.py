"""Lambda's Invoke API, so that boto3 and the AWS CLI work with an endpoint URL."""

from __future__ import annotations

from aiohttp import web

from .engine import Engine


def add_invoke_routes(app: web.Application, engine: Engine) -> None:
    """Add /2015-03-31/functions/… to `app` (which needs client_max_size >= 6 MB + 1)."""
    raise NotImplementedError
