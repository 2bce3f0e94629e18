"""Does what each message says, and notes what it did."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    failures = []
    bodies = [record["body"] for record in event["Records"]]
    if notes := os.environ["NOTES"]:
        with Path(notes).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in event["Records"])
    if "raise" in bodies:
        raise RuntimeError("asked to fail")
    for record in event["Records"]:
        if record["body"] == "fail":
            failures.append({"itemIdentifier": record["messageId"]})
        if record["body"].startswith("sleep "):
            time.sleep(float(record["body"].split()[1]))
    return {"batchItemFailures": failures}
