"""Composition root; the template names `functions.detection.main_cameras.lambda_handler`.

It answers secrets, so it has no route: who invokes it needs a permission of IAM, or this machine.
"""

from __future__ import annotations

from typing import Any

from functions.detection.cameras import CAMERAS, cameras_with_secrets
from functions.detection.settings import ApiSettings
from hearth.bootstrap import connect
from hearth.resource.service import ResourceService

service = ResourceService(CAMERAS, connect(ApiSettings()).ledger)


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    return cameras_with_secrets(service)
