"""What `auth` declares: permissions, public routes and tables."""

from __future__ import annotations

from hearth.capability import Capability

CAPABILITY = Capability(
    name="auth",
    functions=("auth", "authorizer"),
    permissions={
        "audit:read": "admin",
        "keys:write": "user",  # one's own
        "users:manage": "admin",
    },
    public_routes=(
        "GET /api/v1/auth/setup",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/register",
    ),
    tables=(
        "auth_api_keys",
        "auth_attempts",
        "auth_audit",
        "auth_invitations",
        "auth_refresh_tokens",
        "auth_sessions",
        "auth_setup",
        "auth_signing_keys",
        "auth_users",
    ),
)
