"""Request and response models of the auth API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
)

from functions.auth.passwords import MAX_LENGTH, MIN_LENGTH
from hearth.http.query import PageQuery
from hearth.principal import PERMISSIONS, Kind, Role

# HTML's definition of an e-mail address (html.spec.whatwg.org, "valid e-mail address"): no line
# breaks, no NUL, nothing outside ASCII.
_EMAIL = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)
_PERMISSIONS = sorted(PERMISSIONS[Role.ADMIN])


def _number(value: Any) -> Any:
    """Accept JSON's whole numbers (7.0 is one), but no strings and booleans."""
    if isinstance(value, str | bool):
        raise ValueError("this is a whole number of days")  # noqa: TRY004  # pydantic's
    return value


def _encodable(secret: SecretStr) -> SecretStr:
    """Reject unpaired surrogates, which JSON can escape and no encoding can write."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("this is no Unicode text: it holds half of a surrogate pair") from None
    return secret


def _known_permission(name: str) -> str:
    if name not in PERMISSIONS[Role.ADMIN]:
        raise ValueError(f"{name[:80]!r} is no permission; there are {', '.join(_PERMISSIONS)}")
    return name


Email = Annotated[
    str,
    Field(max_length=254, pattern=_EMAIL, examples=["ada@example.org"]),
    AfterValidator(str.lower),
]
"""Compared case-insensitively."""
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        description="Not among the commonest, and not the e-mail address.",
        examples=["a heron stood in the brook"],
    ),
    AfterValidator(_encodable),
]
GivenPassword = Annotated[
    SecretStr,
    Field(max_length=MAX_LENGTH, examples=["a heron stood in the brook"]),
    AfterValidator(_encodable),
]
GivenToken = Annotated[SecretStr, Field(max_length=4096), AfterValidator(_encodable)]
Permission = Annotated[
    str, AfterValidator(_known_permission), Field(json_schema_extra={"enum": list(_PERMISSIONS)})
]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _In(BaseModel):
    """Rejects unknown fields by name."""

    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


# ---- sessions ----


class RegisterIn(_In):
    email: Email
    password: NewPassword
    invitation: GivenToken | None = Field(
        None, description="The code of an invitation for this e-mail address."
    )
    setup_token: GivenToken | None = Field(
        None, description="Only for the first user, who becomes the administrator."
    )


class SetupOut(BaseModel):
    is_set_up: bool


class LoginIn(_In):
    email: Email
    password: GivenPassword


class RefreshIn(_In):
    refresh_token: GivenToken


class TokensOut(BaseModel):
    """RFC 6749, 5.1. A refresh token can be used once; the response contains the next one."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds for which the access token is good.")


class ValidateIn(_In):
    token: GivenToken = Field(description="An access token or an API key.")


class ValidateOut(BaseModel):
    """Whether a token is valid now; the other fields are null when it is not."""

    valid: bool
    principal_id: str | None = None
    kind: Kind | None = None
    role: Role | None = None
    permissions: list[str] = []
    expires_at: datetime | None = Field(None, description="None: until it is revoked.")


class MeOut(BaseModel):
    """Describe the caller. `email` is None for the machine itself (`kind` local)."""

    id: str
    kind: Kind
    email: str | None
    role: Role
    permissions: list[str] = Field(description="What this call may do.")


class PasswordIn(_In):
    current_password: GivenPassword
    new_password: NewPassword


# ---- users ----


class UserIn(_In):
    email: Email
    password: NewPassword
    role: Role = Role.USER


class UserPatch(_In):
    """Fields that are absent do not change."""

    role: Role | None = None
    disabled: StrictBool | None = None
    password: NewPassword | None = Field(
        None, description="A new one, where the user has lost theirs; ends their sessions."
    )


class UserOut(_Out):
    id: str
    email: str
    role: Role
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


class UserPage(BaseModel):
    """List users, newest first."""

    users: list[UserOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


class InvitationIn(_In):
    email: Email = Field(description="Who may register with it.")
    role: Role = Role.USER
    expires_in_days: Annotated[int, Field(ge=1, le=30), BeforeValidator(_number)] = 7


class InvitationOut(_Out):
    id: str
    email: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class NewInvitationOut(InvitationOut):
    code: str = Field(description="Shown this once.")


class InvitationPage(BaseModel):
    """Invitations, newest first."""

    invitations: list[InvitationOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


# ---- keys ----


class ApiKeyIn(_In):
    name: Name
    expires_in_days: Annotated[int, Field(ge=1, le=3650), BeforeValidator(_number)] | None = Field(
        None, description="None: no end."
    )
    permissions: list[Permission] | None = Field(
        None, max_length=50, description="Among one's own; left out: all of them."
    )


class ApiKeyOut(_Out):
    """A key without its secret. `last_used_at` is exact to a minute."""

    id: str
    user_id: str
    name: str
    permissions: list[str]
    created_at: datetime
    rotated_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    key: str = Field(description="Shown this once.")


class ApiKeyQuery(PageQuery):
    model_config = ConfigDict(extra="forbid")

    user_id: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="Whose; other people's only for who manages users.",
    )


class ApiKeyPage(BaseModel):
    """Keys of one user, newest first."""

    keys: list[ApiKeyOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


class RotateIn(_In):
    distrust: StrictBool = Field(
        False,
        description="The old keys are in wrong hands: all tokens that they signed end now.",
    )


class SigningKeyOut(_Out):
    """A signing key without its secret."""

    kid: str
    created_at: datetime
    retired_at: datetime | None = Field(description="None: it signs.")
    verifies_until: datetime | None


class SigningKeysOut(BaseModel):
    """Signing keys, newest first."""

    keys: list[SigningKeyOut]


# ---- audit ----


class AuditQuery(PageQuery):
    model_config = ConfigDict(extra="forbid")

    actor_id: str | None = Field(
        None, max_length=100, pattern=r"^[^\x00]*$", description="Only what this user did."
    )
    action: str | None = Field(
        None, max_length=100, pattern=r"^[^\x00]*$", description="Only this, such as `login`."
    )


class AuditEntryOut(_Out):
    """One entry: who did what, when, from where, and with what outcome."""

    id: str
    at: datetime
    actor_id: str | None
    actor_kind: str
    credential_id: str
    action: str
    target: str | None
    outcome: str
    reason: str | None
    address: str


class AuditPage(BaseModel):
    """The audit log, newest first."""

    entries: list[AuditEntryOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]
