"""Channels that administrators add over HTTP, beside those of `NOTIFICATION_CHANNELS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from functions.notifications.channels import Channel, is_own_machine, parse_channel
from hearth.errors import Conflict, InvalidInput
from hearth.ledger.ledger import Ledger
from hearth.logging import logger
from hearth.resource.declaration import Boolean, Choice, Json, Resource, Secret, Text
from hearth.resource.service import ResourceService

STORED_CHANNELS: Final = Resource(
    "notification_channel",
    table="notification_stored_channels",
    path="/api/v1/notifications/channels",
    scope="shared",
    read="notifications:read",
    write="notifications:write",
    fields=(
        Text("name", max_length=40, pattern=r"^[a-z0-9][a-z0-9._-]*$", unique=True),
        Secret("address", description="As in `NOTIFICATION_CHANNELS`, such as `mailto:a@b.org`."),
        Boolean("enabled", default=True),
        Choice("kind", values=("mail", "mqtt", "slack", "discord", "webhook"), derived=True),
        Text("host", derived=True),
        Json("events", model=list[str], derived=True),
        Json("urgent", model=list[str], derived=True),
    ),
    max_rows=50,
)


class ChannelDirectory:
    """All channels: the configured ones and, read anew each time, the enabled rows."""

    def __init__(self, configured: Sequence[Channel], ledger: Ledger) -> None:
        self.configured = {channel.name: channel for channel in configured}
        self.stored = ResourceService(STORED_CHANNELS, ledger, self._prepare)

    def all(self) -> dict[str, Channel]:
        """The channels by name, sorted; a configured one hides a row of its name."""
        found = dict(self.configured)
        for row in self.stored.every():
            if row["enabled"] and row["name"] not in found:
                try:
                    channel = parse_channel(row["address"])
                except ValueError as error:  # a release before took it; the others go on
                    logger.error("a channel is left out", channel=row["name"], reason=str(error))
                else:
                    found[row["name"]] = replace(channel, name=row["name"])
        return dict(sorted(found.items()))

    def _prepare(self, values: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        if values["name"] in self.configured:
            raise Conflict(f"channel {values['name']!r} is one of NOTIFICATION_CHANNELS")
        if "address" not in values:
            return
        try:
            channel = parse_channel(values["address"])
        except ValueError as error:
            raise InvalidInput(f"address is not valid: {error}") from None
        if is_own_machine(channel.host):
            # Over HTTP nobody may reach what listens for this machine alone (SSRF).
            raise InvalidInput("address must not be of this machine or link-local")
        values |= {
            "kind": channel.kind,
            "host": channel.host,
            "events": list(channel.events),
            "urgent": list(channel.urgent),
        }
