"""Composition root: builds the Lambda handler of `/api/v1/notifications`."""

from __future__ import annotations

from functions.notifications.api import create_app
from functions.notifications.service import NotificationService
from functions.notifications.settings import ApiSettings
from functions.notifications.stored_channels import ChannelDirectory
from hearth.bootstrap import connect
from hearth.http.app import lambda_handler_for

settings = ApiSettings()
platform = connect(settings)
channels = ChannelDirectory(settings.channels, platform.ledger)
service = NotificationService(platform.ledger, channels)
lambda_handler = lambda_handler_for(create_app(service), platform.limits)
