"""Composition root; the template names `functions.detection.main_cameras.lambda_handler`.

It answers secrets, so it has no route: who invokes it needs a permission of IAM, or this machine.
"""

from __future__ import annotations

from functions.detection.cameras import CAMERAS, make_cameras_handler
from functions.detection.settings import ApiSettings
from hearth.bootstrap import connect
from hearth.resource.service import ResourceService

lambda_handler = make_cameras_handler(ResourceService(CAMERAS, connect(ApiSettings()).ledger))
