"""A real SMTP server for tests (aiosmtpd): keeps what it takes, or answers as its script says."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Delivered:
    """One message that was accepted."""

    sender: str
    recipients: list[str]
    content: bytes
    over_tls: bool


@dataclass
class Mailbox:
    """What the server took, and how it shall answer.

    `rcpt` maps an address to the answer to its RCPT; `data` are the answers to the next DATAs, of
    which one that starts with "drop" takes the message and hangs up without an answer.
    """

    host: str = "127.0.0.1"
    port: int = 0
    messages: list[Delivered] = field(default_factory=list)
    rcpt: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    connections: int = 0

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        if not session.ssl:
            self.connections += 1
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer.startswith(("250", "drop")):
            content = envelope.original_content or b""
            assert server.transport is not None
            over_tls = server.transport.get_extra_info("ssl_object") is not None
            self.messages.append(
                Delivered(envelope.mail_from or "", envelope.rcpt_tos, content, over_tls)
            )
        if answer.startswith("drop"):
            assert server.transport is not None
            server.transport.close()
        return answer


@contextmanager
def smtp_server(
    *, certificate: Path | None = None, implicit_tls: bool = False, password: str | None = None
) -> Iterator[Mailbox]:
    """A server on a free loopback port.

    Args:
        certificate: PEM of certificate and key; offers STARTTLS (or speaks TLS from the start).
        implicit_tls: TLS from the first byte.
        password: Demands a log-in with this password.
    """
    mailbox = Mailbox()
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)

    def check(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password.decode() == password, handled=False)

    options: dict[str, Any] = {}
    if tls is not None and not implicit_tls:
        options["tls_context"] = tls
    if password is not None:
        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    with warnings.catch_warnings():
        # "Requiring AUTH while not requiring TLS": intended, on loopback.
        warnings.simplefilter("ignore")
        controller = _Controller(
            mailbox,
            hostname="127.0.0.1",
            port=0,
            ssl_context=tls if implicit_tls else None,
            **options,
        )
        controller.start()
        mailbox.port = controller.bound_port
        try:
            yield mailbox
        finally:
            controller.stop()


class _Controller(Controller):
    """Controller that connects to the port it got, not to the port 0 it asked for."""

    @property
    def bound_port(self) -> int:
        assert self.server is not None
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def _trigger_server(self) -> None:
        self.port = self.bound_port
        super()._trigger_server()


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and localhost with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "smtp.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
