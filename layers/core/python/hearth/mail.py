"""E-mail by SMTP: which server, what an address is, and the SMTP session."""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from hearth.errors import ServiceError, Unavailable
from hearth.text import clean

TIMEOUT_S = 10.0
_MAX_REASON = 300
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class SmtpServer(BaseModel):
    """The mail server that e-mail is submitted to, and how the connection is protected.

    `smtp` uses STARTTLS where the server offers it, unless the server is this very machine;
    `smtp+starttls` insists on it; `smtps` is TLS from the first byte. Certificates are verified.
    """

    model_config = ConfigDict(frozen=True)

    scheme: Literal["smtp", "smtp+starttls", "smtps"]
    host: str
    port: int
    user: str = ""
    password: SecretStr = SecretStr("")

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """Read `smtp://user:password@host:port`.

        Raises:
            ValueError: Not such a URL; the message never holds the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError("SMTP_URL is not a URL; use smtp://user:password@host:587") from error
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
            raise ValueError(
                f"SMTP_URL has scheme {parts.scheme!r} and host {parts.hostname!r}; use "
                "smtp://, smtp+starttls:// or smtps:// and a host"
            )
        return cls.model_validate(
            {
                "scheme": parts.scheme,
                "host": parts.hostname,
                "port": port or _DEFAULT_PORTS[parts.scheme],
                "user": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
            }
        )


def checked_address(address: str) -> str:
    """`address` itself: bare, ASCII, without anything that could end a header line.

    Raises:
        ValueError: It is not.
    """
    try:
        parsed = Address(addr_spec=address)
        well_formed = bool(parsed.username and parsed.domain) and address.isascii()
    except (MessageError, ValueError, IndexError):
        well_formed = False
    if not well_formed or not address.isprintable() or " " in address:
        raise ValueError(
            f"{address[:80]!r} is not an e-mail address; use the form name@example.org "
            "(international domains as xn--…)"
        )
    return address


class MailRefused(ServiceError):
    """The mail server rejected it permanently: an address, a credential or a setting is wrong."""

    code: ClassVar[str] = "MAIL_REFUSED"
    status: ClassVar[int] = 502


@dataclass(frozen=True)
class Delivery:
    """What became of each recipient: accepted, rejected permanently, deferred (with reasons)."""

    accepted: tuple[str, ...]
    refused: dict[str, str]
    deferred: dict[str, str]


def message_id_for(email_id: str, sender: str) -> str:
    """The Message-ID of an e-mail: the same for each attempt to send it."""
    return f"<hearth.{email_id}@{sender.rpartition('@')[2]}>"


class SmtpMailer:
    """Sends messages to one server.

    Args:
        server: Where, and how protected.
        timeout_s: Timeout of each SMTP command, seconds.
    """

    def __init__(self, server: SmtpServer, timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        self._timeout_s = timeout_s

    @contextlib.contextmanager
    def session(self) -> Iterator[SmtpSession]:
        """An SMTP session for several messages; the connection is made by the first one."""
        session = SmtpSession(self._server, self._timeout_s)
        try:
            yield session
        finally:
            session.close()


class SmtpSession:
    """One SMTP session; after an error the next message gets a new connection."""

    def __init__(self, server: SmtpServer, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._connection: smtplib.SMTP | None = None

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Delivery:
        """Submit one message.

        Raises:
            MailRefused: 5xx for the message as a whole, the log-in or the connection's protection.
            Unavailable: 4xx, or the server does not answer.
        """
        try:
            refusals = self._connected().sendmail(sender, list(recipients), message)
        except smtplib.SMTPRecipientsRefused as error:
            self.close()
            refusals = error.recipients
        except smtplib.SMTPResponseException as error:
            self.close()
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise MailRefused(
                f"the certificate of {self._server.host} is not trusted: {error.verify_message}; "
                "SSL_CERT_FILE may name the authority that signed it"
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            self.close()
            raise MailRefused(f"{self._server.host} cannot do what is needed: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise Unavailable(
                f"mail server {self._server.host}:{self._server.port} does not answer "
                f"({type(error).__name__})"
            ) from error
        refused = {to: _reason(*why) for to, why in refusals.items() if why[0] >= 500}
        deferred = {to: _reason(*why) for to, why in refusals.items() if why[0] < 500}
        return Delivery(tuple(to for to in recipients if to not in refusals), refused, deferred)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        # smtplib would look its own name up in the DNS, which can take seconds.
        name = "[127.0.0.1]"
        connection: smtplib.SMTP
        if server.scheme == "smtps":
            connection = smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=name,
                timeout=self._timeout_s,
                context=ssl.create_default_context(),
            )
        else:
            connection = smtplib.SMTP(
                server.host, server.port, local_hostname=name, timeout=self._timeout_s
            )
        try:
            self._protect(connection)
            if server.user:
                connection.login(server.user, server.password.get_secret_value())
        except BaseException:
            connection.close()
            raise
        return connection

    def _protect(self, connection: smtplib.SMTP) -> None:
        server = self._server
        connection.ehlo_or_helo_if_needed()
        if server.scheme == "smtps":
            return
        required = server.scheme == "smtp+starttls"
        if required or (connection.has_extn("starttls") and not _is_loopback(server.host)):
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
        elif server.user and not _is_loopback(server.host):
            raise MailRefused(
                f"{server.host} offers no TLS and the password is not sent in the clear; "
                "use smtps:// or another server"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(code: int, text: bytes | str) -> MailRefused | Unavailable:
    message = f"the mail server answered {_reason(code, text)}"
    return MailRefused(message) if code >= 500 else Unavailable(message)


def _reason(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"{code} {clean(words)}"[:_MAX_REASON]
