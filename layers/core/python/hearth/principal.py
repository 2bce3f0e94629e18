"""Who calls, and what they may do: roles, permissions, and what an authorizer says of both.

Apart from `hearth.http.auth`, so that the authorizer, which serves no HTTP, need not import
FastAPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from hearth import declarations

Kind = Literal["user", "api_key", "local"]
"""`local`: a program of the machine itself, through a gateway that listens on loopback only."""


class Role(StrEnum):
    """From least to most."""

    GUEST = "guest"
    USER = "user"
    DEVELOPER = "developer"
    ADMIN = "admin"


def _permissions(role: Role) -> frozenset[str]:
    lesser = list(Role)[: list(Role).index(role) + 1]
    return frozenset(name for name, least in declarations.PERMISSIONS.items() if least in lesser)


PERMISSIONS: Mapping[Role, frozenset[str]] = {role: _permissions(role) for role in Role}
"""What each role may do. A key may do no more than its owner."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls.

    Attributes:
        id: Of the user; a key acts for its owner. `local` for the machine itself.
        kind: How they showed who they are.
        role: Of the user.
        permissions: What this call may do.
        credential_id: Id of the API key or of the session, for the log; empty for `local`.
    """

    id: str
    kind: Kind
    role: Role
    permissions: frozenset[str]
    credential_id: str = ""

    def may(self, permission: str) -> bool:
        """Whether `permission` is among theirs."""
        return permission in self.permissions

    def context(self) -> dict[str, str]:
        """What an authorizer answers with, for `principal_of` to read."""
        return {
            "principal_id": self.id,
            "kind": self.kind,
            "role": self.role.value,
            "permissions": " ".join(sorted(self.permissions)),
            "credential_id": self.credential_id,
        }


LOCAL_OWNER = Principal("local", "local", Role.ADMIN, PERMISSIONS[Role.ADMIN])
"""A program of the machine itself. Our gateway says so, where it listens on loopback, of a caller
that shows no key; it names no permissions, because these are listed here alone. Behind API Gateway
nobody is local: the context is what our authorizer answered, and that answers with no such kind."""


def principal_of(event: Mapping[str, Any]) -> Principal | None:
    """Who the gateway says has called; None where it let an anonymous caller through.

    Args:
        event: API Gateway's payload 2.0.
    """
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    context = authorizer.get("lambda")
    if not context or context.get("kind") not in get_args(Kind):
        return None
    if context["kind"] == "local":
        return LOCAL_OWNER
    return Principal(
        id=context["principal_id"],
        kind=context["kind"],
        role=Role(context["role"]),
        permissions=frozenset(context["permissions"].split()),
        credential_id=context.get("credential_id", ""),
    )
