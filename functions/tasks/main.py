"""Entry point of the queue function. The template names `functions.tasks.main.lambda_handler`."""

from __future__ import annotations

from functions.tasks.settings import Settings
from functions.tasks.wiring import build_consumer
from hearth.bootstrap import connect

lambda_handler = build_consumer(connect(Settings(), source="tasks"))
