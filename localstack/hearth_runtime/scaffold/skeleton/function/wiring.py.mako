"""Composition root of `${name}`: connects its parts to the platform."""

from __future__ import annotations

% if api:
from collections.abc import Callable
from typing import Any

from ${package}.api import create_app
% endif
% if queue:
from ${package}.handler import make_handler
% endif
% if resource:
from ${package}.resource import ${constant}
% endif
% if http:
from ${package}.service import ${title}Service
% endif
from ${package}.settings import Settings
% if queue:
from ${package}.worker import ${title}Worker
% endif
from hearth.bootstrap import connect
% if api:
from hearth.http.app import lambda_handler_for
% endif
% if queue:
from hearth.ledger.consumer import Consumer
% endif
% if resource:
from hearth.resource.service import ResourceService
% if plugin:
from hearth.resource.table import create_missing
% endif
% endif
% if api:


def build_api() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The Lambda handler behind `${path}`."""
    platform = connect(Settings(), "${slug}")
% if resource:
% if plugin:
    create_missing(platform.db, ${constant})
% endif
    app = create_app(ResourceService(${constant}, platform.ledger))
% else:
    app = create_app(${title}Service())
% endif
    return lambda_handler_for(app, platform.limits)
% endif
% if queue:


def build_worker() -> Consumer:
    """The Lambda handler of the queue `${slug}`."""
    platform = connect(Settings(), "${slug}")
    return make_handler(platform.ledger, ${title}Worker())
% endif
