"""Composition root: builds the Lambda handler of the API."""

from __future__ import annotations

from ${package}.wiring import build_api

lambda_handler = build_api()
