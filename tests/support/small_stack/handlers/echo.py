"""Answers with the event, or as the event's body says."""

from __future__ import annotations

import json
import time
from typing import Any


def lambda_handler(event: dict[str, Any], context: object) -> Any:
    path = event.get("rawPath", "")
    if path == "/slow":
        time.sleep(1)
    if path == "/echo/raise":
        raise RuntimeError("asked to fail")
    if path == "/echo/say":
        return json.loads(event["body"])
    return {"statusCode": 200, "body": json.dumps(event), "cookies": ["a=1", "b=2"]}
