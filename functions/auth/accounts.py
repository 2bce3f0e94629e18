"""Administration of users and invitations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.auth.audit_log import AuditLog, Caller
from functions.auth.paging import newest_first
from functions.auth.passwords import Passwords, check_new_password
from functions.auth.repository import invitations, sessions, users
from functions.auth.repository.invitations import InvitationRow
from functions.auth.repository.users import UserRow
from functions.auth.schemas import (
    InvitationIn,
    InvitationOut,
    InvitationPage,
    NewInvitationOut,
    UserIn,
    UserOut,
    UserPage,
    UserPatch,
)
from functions.auth.secret_text import new_secret
from hearth.errors import Conflict, NotFound
from hearth.http.query import PageQuery
from hearth.ids import new_ulid, utc_now
from hearth.principal import Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database


class Accounts:
    """Manages users and invitations."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        audit_log: AuditLog,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._audit_log = audit_log
        self._now = now

    # ---- users ----

    def list_users(self, query: PageQuery) -> UserPage:
        """List users, newest first.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        rows, cursor = newest_first(
            query,
            lambda limit, before: self._db.read(lambda tx: users.list_users(tx, limit, before)),
        )
        return UserPage(users=[UserOut.model_validate(row) for row in rows], next_cursor=cursor)

    def get_user(self, user_id: str) -> UserOut:
        """Return one user.

        Raises:
            NotFound: The user does not exist.
        """
        return UserOut.model_validate(self._db.read(lambda tx: _user(tx, user_id)))

    def create_user(self, caller: Caller, wanted: UserIn) -> UserOut:
        """Create a user with a password that an administrator chose.

        Raises:
            InvalidInput: The password is not acceptable.
            Conflict: The e-mail address is registered already.
        """
        password = wanted.password.get_secret_value()
        check_new_password(password, wanted.email)
        now = self._now()
        row = UserRow(
            new_ulid(),
            wanted.email,
            self._passwords.hash(password),
            wanted.role,
            None,
            now,
            now,
        )

        def add(tx: Connection) -> None:
            if not users.is_set_up(tx):
                # Otherwise the setup token could still register another administrator later.
                users.claim_setup(tx, now)
            users.lock_administrators(tx)
            if not users.add_user(tx, row):
                raise Conflict(f"{wanted.email} is registered already")
            self._audit_log.record(tx, caller, "user.create", target=row.id, reason=row.role.value)

        self._db.write(add)
        return UserOut.model_validate(row)

    def change_user(self, caller: Caller, user_id: str, patch: UserPatch) -> UserOut:
        """Change a user's role, password, or whether they are disabled.

        Raises:
            NotFound: The user does not exist.
            Conflict: The user is the last administrator.
            InvalidInput: The password is not acceptable.
        """
        password_hash = None
        if patch.password is not None:
            email = self.get_user(user_id).email
            check_new_password(patch.password.get_secret_value(), email)
            password_hash = self._passwords.hash(patch.password.get_secret_value())

        def change(tx: Connection) -> UserRow:
            now = self._now()
            users.lock_administrators(tx)
            user = _user(tx, user_id)
            changes: dict[str, Any] = {}
            if patch.role is not None and patch.role is not user.role:
                changes["role"] = patch.role
            if patch.disabled is not None and patch.disabled != (user.disabled_at is not None):
                changes["disabled_at"] = now if patch.disabled else None
            if password_hash is not None:
                changes["password_hash"] = password_hash
            demoted = changes.get("role", Role.ADMIN) is not Role.ADMIN
            if demoted or changes.get("disabled_at"):
                _check_not_the_last(tx, user)
            if changes:
                users.update_user(tx, user_id, changes, now)
                what = ", ".join(
                    _describe_change(name, value) for name, value in sorted(changes.items())
                )
                self._audit_log.record(tx, caller, "user.change", target=user_id, reason=what)
            if password_hash is not None or changes.get("disabled_at"):
                sessions.revoke_sessions_of(tx, user_id, now)
            return _user(tx, user_id)

        return UserOut.model_validate(self._db.write(change))

    def delete_user(self, caller: Caller, user_id: str) -> None:
        """Delete a user with their sessions and keys; their entries in the audit log stay.

        Raises:
            NotFound: The user does not exist.
            Conflict: The user is the last administrator.
        """

        def remove(tx: Connection) -> None:
            users.lock_administrators(tx)
            user = _user(tx, user_id)
            _check_not_the_last(tx, user)
            users.delete_user(tx, user)
            self._audit_log.record(tx, caller, "user.delete", target=user_id, reason=user.email)

        self._db.write(remove)

    # ---- invitations ----

    def invite(self, caller: Caller, wanted: InvitationIn) -> NewInvitationOut:
        """Create an invitation, with which the owner of an e-mail address may register once.

        Raises:
            Conflict: The e-mail address is registered already.
        """
        now = self._now()
        secret = new_secret("hi")
        row = InvitationRow(
            id=secret.id,
            email=wanted.email,
            role=wanted.role,
            digest=secret.digest,
            created_by=caller.principal.id if caller.principal else "",
            created_at=now,
            expires_at=now + timedelta(days=wanted.expires_in_days),
            used_at=None,
        )

        def add(tx: Connection) -> None:
            if users.find_user(tx, wanted.email) is not None:
                raise Conflict(f"{wanted.email} is registered already")
            invitations.add_invitation(tx, row)
            what = f"{row.email} as {row.role.value}"
            self._audit_log.record(tx, caller, "invitation.create", target=row.id, reason=what)

        self._db.write(add)
        shown = InvitationOut.model_validate(row)
        return NewInvitationOut(**shown.model_dump(), code=secret.text)

    def list_invitations(self, query: PageQuery) -> InvitationPage:
        """List invitations, newest first, without their codes.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        rows, cursor = newest_first(
            query,
            lambda limit, before: self._db.read(
                lambda tx: invitations.list_invitations(tx, limit, before)
            ),
        )
        shown = [InvitationOut.model_validate(row) for row in rows]
        return InvitationPage(invitations=shown, next_cursor=cursor)

    def withdraw(self, caller: Caller, invitation_id: str) -> None:
        """Withdraw an invitation.

        Raises:
            NotFound: The invitation does not exist.
        """

        def remove(tx: Connection) -> None:
            if not invitations.delete_invitation(tx, invitation_id):
                raise NotFound(f"invitation {invitation_id!r} does not exist")
            self._audit_log.record(tx, caller, "invitation.withdraw", target=invitation_id)

        self._db.write(remove)


def _user(tx: Connection, user_id: str) -> UserRow:
    user = users.get_user(tx, user_id)
    if user is None:
        raise NotFound(f"user {user_id!r} does not exist")
    return user


def _check_not_the_last(tx: Connection, user: UserRow) -> None:
    is_one = user.role is Role.ADMIN and user.disabled_at is None
    if is_one and not users.has_other_administrator(tx, user.id):
        raise Conflict("this is the last administrator; make another one first")


def _describe_change(name: str, value: Any) -> str:
    match name:
        case "role":
            return f"role {value.value}"
        case "disabled_at":
            return "disabled" if value else "enabled"
        case _:
            return "password"
