"""Composition root: builds the Lambda handler of the queue."""

from __future__ import annotations

from ${package}.wiring import build_worker

lambda_handler = build_worker()
