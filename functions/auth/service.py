"""Registration, log-in and log-out, refresh tokens, and changes of passwords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING

from pydantic import SecretStr

from functions.auth.access_tokens import AccessTokens
from functions.auth.attempt_limits import AttemptLimits
from functions.auth.audit_log import AuditLog, Caller
from functions.auth.keyring import TOKEN_LIFE
from functions.auth.passwords import Passwords, check_new_password
from functions.auth.repository import invitations, sessions, users
from functions.auth.repository.sessions import RefreshToken, Session
from functions.auth.repository.tables import delete_expired
from functions.auth.repository.users import UserRow
from functions.auth.schemas import LoginIn, PasswordIn, RegisterIn, TokensOut, UserOut
from functions.auth.secret_text import new_secret, read_secret
from hearth.errors import Conflict, Forbidden, Unauthenticated
from hearth.ids import new_ulid, utc_now
from hearth.principal import Principal, Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.auth.repository.invitations import InvitationRow
    from hearth.db import Database

REFRESH_LIFE = timedelta(days=30)
SESSION_LIFE = timedelta(days=180)
"""A session ends after this, however often it was refreshed."""
DELETED_AT_A_TIME = 50
_NO_RIGHT = (
    "registering needs an invitation for this e-mail address; "
    "the first user of a site needs its setup token"
)
_WRONG_CREDENTIALS = "the e-mail address or the password is wrong"


class AuthService:
    """Registers users and manages sessions.

    Args:
        setup_token: Required of the first user; None: only a program of the machine may register.
        now: The clock, timezone-aware.
    """

    def __init__(
        self,
        db: Database,
        tokens: AccessTokens,
        passwords: Passwords,
        audit_log: AuditLog,
        setup_token: SecretStr | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._passwords = passwords
        self._audit_log = audit_log
        self._setup_token = setup_token
        self._now = now
        self._limits = AttemptLimits(now)

    # ---- registering ----

    def is_set_up(self) -> bool:
        """Whether the first user has registered."""
        return self._db.read(users.is_set_up)

    def register(self, caller: Caller, wanted: RegisterIn) -> UserOut:
        """Register a user: the first one as administrator, others by invitation.

        Raises:
            InvalidInput: The password is not acceptable.
            Forbidden: No invitation or setup token; the same for every address, known or not.
            Conflict: The e-mail address of the invitation is registered already.
            TooManyAttempts: There were too many attempts from this address.
        """
        password = wanted.password.get_secret_value()
        check_new_password(password, wanted.email)

        def look(tx: Connection) -> tuple[bool, InvitationRow | None]:
            self._limits.count_attempt(tx, caller.address)
            return users.is_set_up(tx), self._invitation(tx, wanted)

        is_set_up, invitation = self._db.write(look)
        is_first = not is_set_up and self._may_set_up(caller, wanted.setup_token)
        if not is_first and invitation is None:
            self._audit_log.record_refusal(caller, "register", "no invitation, no setup token")
            raise Forbidden(_NO_RIGHT)
        row = _new_user(
            wanted.email,
            self._passwords.hash(password),
            Role.ADMIN if invitation is None else invitation.role,
            self._now(),
        )

        def add(tx: Connection) -> None:
            # Two requests may get this far with one invitation; one of them gets the row.
            claimed = (
                users.claim_setup(tx, row.created_at)
                if invitation is None
                else invitations.use_invitation(tx, invitation.id, row.created_at)
            )
            if not claimed:
                raise Forbidden(_NO_RIGHT)
            if not users.add_user(tx, row):
                raise Conflict("this e-mail address is registered already; log in instead")
            self._limits.record_success(tx, caller.address)
            how = "setup" if invitation is None else f"invitation {invitation.id}"
            self._audit_log.record(
                tx, caller, "register", actor_id=row.id, target=row.id, reason=how
            )

        self._db.write(add)
        return UserOut.model_validate(row)

    def _may_set_up(self, caller: Caller, shown: SecretStr | None) -> bool:
        if caller.principal is not None and caller.principal.kind == "local":
            return True
        if self._setup_token is None or shown is None:
            return False
        expected = self._setup_token.get_secret_value().encode()
        return compare_digest(shown.get_secret_value().encode(), expected)

    def _invitation(self, tx: Connection, wanted: RegisterIn) -> InvitationRow | None:
        """Return the invitation of the request if it is valid and for this e-mail address."""
        code = wanted.invitation and read_secret("hi", wanted.invitation.get_secret_value())
        if not code:
            return None
        row = invitations.get_invitation(tx, code.id)
        if row is None or not code.matches(row.digest) or row.email != wanted.email:
            return None
        return row if row.used_at is None and self._now() < row.expires_at else None

    # ---- logging in and out ----

    def login(self, caller: Caller, given: LoginIn) -> TokensOut:
        """Begin a session.

        Raises:
            Unauthenticated: The password is wrong, or the user does not exist or is disabled; which
                of them is not disclosed, by text or by time.
            TooManyAttempts: There were too many attempts on this account or from this address.
        """
        password = given.password.get_secret_value()

        def look(tx: Connection) -> UserRow | None:
            self._limits.count_attempt(tx, caller.address, given.email)
            return users.find_user(tx, given.email)

        user = self._db.write(look)
        is_right = self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not is_right or user.disabled_at is not None:
            reason = (
                "unknown user" if user is None else "disabled" if is_right else "wrong password"
            )
            self._audit_log.record_refusal(
                caller, "login", reason, actor_id=user.id if user else None
            )
            raise Unauthenticated(_WRONG_CREDENTIALS)
        found = user
        fresh_hash = (
            self._passwords.hash(password)
            if self._passwords.is_outdated(found.password_hash)
            else None
        )

        def enter(tx: Connection) -> TokensOut:
            now = self._now()
            held = users.lock_user(tx, found.id)
            if held is None or held.disabled_at or held.password_hash != found.password_hash:
                raise Unauthenticated(_WRONG_CREDENTIALS)  # changed while the password was verified
            if fresh_hash is not None:
                users.update_user(tx, held.id, {"password_hash": fresh_hash}, now)
            self._limits.record_success(tx, caller.address, given.email)
            session = Session(
                new_ulid(), held.id, held.email, held.role, now, now + REFRESH_LIFE, None, None
            )
            sessions.add_session(tx, session)
            self._audit_log.record(tx, caller, "login", actor_id=held.id, target=session.id)
            delete_expired(tx, now, DELETED_AT_A_TIME)
            return self._tokens_for(tx, session)

        return self._db.write(enter)

    def refresh(self, caller: Caller, refresh_token: SecretStr) -> TokensOut:
        """Exchange a refresh token for the next pair of tokens.

        A token that is used twice may have been stolen. Which of its holders is right cannot
        be known, so the session ends for both (RFC 9700, 4.14.2).

        Raises:
            Unauthenticated: The token is not valid or was used, or its session has ended.
        """
        shown = read_secret("hr", refresh_token.get_secret_value())

        def exchange(tx: Connection) -> TokensOut | None:
            now = self._now()
            token = shown and sessions.get_refresh_token(tx, shown.id)
            if not shown or not token or not shown.matches(token.digest):
                return None
            session = sessions.get_session(tx, token.session_id)
            if session is None:
                return None
            if not sessions.use_refresh_token(tx, token.id, now):
                if sessions.revoke_session(tx, session.id, now):
                    self._audit_log.record(
                        tx,
                        caller,
                        "refresh",
                        "refused",
                        actor_id=session.user_id,
                        target=session.id,
                        reason="a refresh token was used twice: the session is revoked",
                    )
                return None
            if now >= token.expires_at or not session.is_live(now):
                return None
            until = min(now + REFRESH_LIFE, session.created_at + SESSION_LIFE)
            sessions.extend_session(tx, session.id, until)
            return self._tokens_for(tx, replace(session, expires_at=until))

        answer = self._db.write(exchange)
        if answer is None:
            raise Unauthenticated("the refresh token is not valid, or no longer; log in again")
        return answer

    def _tokens_for(self, tx: Connection, session: Session) -> TokensOut:
        secret = new_secret("hr")
        token = RefreshToken(secret.id, session.id, secret.digest, None, session.expires_at)
        sessions.add_refresh_token(tx, token)
        return TokensOut(
            access_token=self._tokens.issue(tx, session),
            refresh_token=secret.text,
            expires_in=int(TOKEN_LIFE.total_seconds()),
        )

    def logout(self, caller: Caller) -> None:
        """End the session of the caller.

        Raises:
            Conflict: The caller has no session but an API key, or is a program of the machine.
        """
        principal = _require_session(caller)

        def leave(tx: Connection) -> None:
            if sessions.revoke_session(tx, principal.credential_id, self._now()):
                self._audit_log.record(tx, caller, "logout", target=principal.credential_id)

        self._db.write(leave)

    def change_password(self, caller: Caller, given: PasswordIn) -> None:
        """Change the caller's password and end their other sessions; API keys stay valid.

        Raises:
            InvalidInput: The new password is not acceptable.
            Forbidden: The current password is wrong.
            Conflict: The caller has no session, or the password was changed at the same time.
            Unauthenticated: The user does not exist any more.
            TooManyAttempts: There were too many wrong passwords.
        """
        principal = _require_session(caller)

        def look(tx: Connection) -> UserRow:
            user = users.get_user(tx, principal.id)
            if user is None:
                raise Unauthenticated("the user does not exist any more")
            self._limits.count_attempt(tx, caller.address, user.email)
            return user

        user = self._db.write(look)
        new = given.new_password.get_secret_value()
        check_new_password(new, user.email)
        if not self._passwords.verify(
            user.password_hash, given.current_password.get_secret_value()
        ):
            self._audit_log.record_refusal(caller, "password.change", "wrong password")
            raise Forbidden("the current password is wrong")
        new_hash = self._passwords.hash(new)

        def change(tx: Connection) -> None:
            now = self._now()
            held = users.lock_user(tx, user.id)
            if held is None or held.password_hash != user.password_hash:
                raise Conflict("the password was changed elsewhere at the same time")
            users.update_user(tx, user.id, {"password_hash": new_hash}, now)
            sessions.revoke_sessions_of(tx, user.id, now, except_id=principal.credential_id)
            self._limits.record_success(tx, caller.address, user.email)
            self._audit_log.record(tx, caller, "password.change")

        self._db.write(change)


def _require_session(caller: Caller) -> Principal:
    principal = caller.principal
    if principal is None or principal.kind != "user":
        raise Conflict("the caller has no session: log in with a password")
    return principal


def _new_user(email: str, password_hash: str, role: Role, now: datetime) -> UserRow:
    return UserRow(new_ulid(), email, password_hash, role, None, now, now)
