"""A gateway behind other people's reverse proxies: nobody but the owner is the owner.

nginx, Caddy and HAProxy as they are set up without further ado and as our documentation says it;
Traefik by the headers that it sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from hearth_runtime.engine.functions import InvokeResult
from hearth_runtime.http.gateway import USERS_PATH, Gateway
from hearth_runtime.http.proxies import parse_networks
from hearth_runtime.template.model import Api, Authorizer, Route
from tests.contract.runtime_edges.http_client import Reply, request
from tests.support.daemons import answers, free_port, running
from tests.unit.runtime_edges.fakes import MemoryLogs

KEY = "hearth_owner_of-the-test"
STRANGER = "203.0.113.7"
HEARTH = Authorizer("Hearth", "authorizer", ("$request.header.Authorization",), ttl_s=0)
API = Api(
    routes=(
        Route("auth", "GET", USERS_PATH, public=True),
        Route("api", "GET", "/protected", authorizer=HEARTH),
        Route("api", "GET", "/public", public=True),
    )
)


@dataclass
class House:
    """The functions behind the gateway: users register here, and are known by their token."""

    users: bool = False
    events: list[Mapping[str, Any]] = field(default_factory=list)

    async def invoke(
        self, function: str, payload: bytes, *, request_id: str | None = None
    ) -> InvokeResult:
        event = json.loads(payload)
        answer: Any = {"statusCode": 200, "body": json.dumps(event)}
        if function == "auth":
            answer = {"statusCode": 200, "body": json.dumps({"is_set_up": self.users})}
        elif function == "authorizer":
            user = event["identitySource"] == ["Bearer user"]
            answer = {"isAuthorized": user, "context": {"kind": "user", "principal_id": "u1"}}
        return InvokeResult("id", json.dumps(answer).encode(), None, b"", 1.0, False)


@contextlib.contextmanager
def gateway(house: House, trusted: str = "", **options: Any) -> Iterator[str]:
    """The address of a gateway in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    served = Gateway(
        API,
        house,
        MemoryLogs(),
        CollectorRegistry(),
        owner_key=KEY,
        trusted_proxies=parse_networks([trusted]),
        **options,
    )
    run(served.start("127.0.0.1", 0))
    try:
        yield served.url
    finally:
        run(served.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def find(program: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"no {program} here; on Debian: apt-get install nginx-light caddy haproxy")
    return found


@contextlib.contextmanager
def served(command: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    """The address of a proxy that passes requests on while the block runs."""
    url = f"http://127.0.0.1:{port}"
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}  # Caddy writes there
    with running(command, ready=answers(f"{url}/public"), env=home):
        yield url


@contextlib.contextmanager
def nginx(folder: Path, url: str, lines: str = "") -> Iterator[str]:
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/body;"
        f" proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path"
        f" {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ {lines} proxy_pass {url}; }} }} }}\n"
    )
    command = [find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with served(command, folder, port) as proxied:
        yield proxied


@contextlib.contextmanager
def caddy(folder: Path, url: str, lines: str = "") -> Iterator[str]:
    port = free_port()
    (folder / "Caddyfile").write_text(
        "{\n admin off\n auto_https off\n}\n"
        f"http://:{port} {{\n bind 127.0.0.1\n reverse_proxy {url} {{\n{lines}\n}}\n}}\n"
    )
    command = [find("caddy"), "run", "--config", str(folder / "Caddyfile")]
    with served(command, folder, port) as proxied:
        yield proxied


@contextlib.contextmanager
def haproxy(folder: Path, url: str, lines: str = "") -> Iterator[str]:
    port = free_port()
    (folder / "haproxy.cfg").write_text(
        "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
        f"listen hearth\n bind 127.0.0.1:{port}\n{lines}\n server hearth {url[7:]}\n"
    )
    command = [find("haproxy"), "-f", str(folder / "haproxy.cfg"), "-db"]
    with served(command, folder, port) as proxied:
        yield proxied


DOCUMENTED_NGINX = (
    "proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto"
    " $scheme; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)
PROXIES = {
    "nginx": (nginx, ""),
    "nginx, host": (nginx, "proxy_set_header Host $host;"),
    "nginx, documented": (nginx, DOCUMENTED_NGINX),
    "caddy": (caddy, ""),
    "haproxy": (haproxy, ""),
    "haproxy, host": (haproxy, " option forwardfor"),
}
TRAEFIK = {
    "Host": "hearth.example.org",
    "X-Forwarded-For": STRANGER,
    "X-Forwarded-Host": "hearth.example.org",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Server": "traefik",
    "X-Real-Ip": STRANGER,
}


def call(url: str, path: str = "/protected", **headers: str) -> Reply:
    return request(url + path, "GET", None, **headers)


def principal(reply: Reply) -> str:
    """Who the function was told of."""
    if reply.status != 200:
        return str(reply.status)
    context = reply.json()["requestContext"].get("authorizer") or {}
    return str((context.get("lambda") or {}).get("principal_id", "nobody"))


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("users", [False, True], ids=["no users", "users"])
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"], ids=["", "trusted"])
def test_a_stranger_behind_a_proxy_is_nobody(
    tmp_path: Path, name: str, users: bool, trusted: str
) -> None:
    start, lines = PROXIES[name]
    if name == "haproxy" and not (users or trusted):
        pytest.skip("a proxy that shows nothing of itself needs --trusted-proxies, or a user")
    with gateway(House(users), trusted) as url, start(tmp_path, url, lines) as proxied:
        asked = {
            "nothing": call(proxied),
            "a host": call(proxied, Host="hearth.example.org"),
            "a made up address": call(proxied, X_Forwarded_For="127.0.0.1"),
            "a made up element": call(proxied, Forwarded="for=127.0.0.1"),
            "a made up key": call(proxied, Authorization="Bearer none"),
            "another version": call(proxied, Connection="close"),
        }
        found = {what: principal(reply) for what, reply in asked.items()}
        assert set(found.values()) <= {"401", "403"}, found
        assert principal(call(proxied, Authorization="Bearer user")) == "u1"
        # Directly, the owner shows the key and a program of this machine nothing but its address.
        assert principal(call(url, Authorization=f"Bearer {KEY}")) == "local"
        assert principal(call(url)) == ("401" if users or trusted else "local")


@pytest.mark.parametrize("users", [False, True], ids=["no users", "users"])
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"], ids=["", "trusted"])
def test_a_stranger_behind_traefik_is_nobody(users: bool, trusted: str) -> None:
    headers = {name.replace("-", "_"): value for name, value in TRAEFIK.items()}
    with gateway(House(users), trusted) as url:
        assert principal(call(url, **headers)) == "401"
        assert principal(call(url, **headers, Authorization="Bearer none")) == "403"
        assert principal(call(url, **headers, Authorization=f"Bearer {KEY}")) == "403"
        assert principal(call(url, **headers, Authorization="Bearer user")) == "u1"
        event = call(url, "/public", **headers).json()
        client = STRANGER if trusted else "127.0.0.1"
        assert event["requestContext"]["http"]["sourceIp"] == client
        assert event["headers"]["x-forwarded-proto"] == ("https" if trusted else "http")
        assert event["headers"]["x-forwarded-for"] == f"{STRANGER}, 127.0.0.1"


@pytest.mark.parametrize(
    ("start", "lines", "client"),
    # The caller's own address is a trusted one here, so that what nginx leaves of its words counts;
    # Caddy leaves nothing.
    [(nginx, DOCUMENTED_NGINX, "6.6.6.6"), (caddy, "", "127.0.0.1")],
    ids=["nginx", "caddy"],
)
def test_behind_a_trusted_proxy_functions_see_the_client(
    tmp_path: Path, start: Any, lines: str, client: str
) -> None:
    with gateway(House(users=True), "127.0.0.1") as url, start(tmp_path, url, lines) as proxied:
        event = call(proxied, "/public", X_Forwarded_For="6.6.6.6").json()
    assert event["requestContext"]["http"]["sourceIp"] == client
    assert event["headers"]["x-forwarded-for"].endswith("127.0.0.1, 127.0.0.1")


def test_a_set_up_token_asks_for_the_key_from_the_start() -> None:
    with gateway(House(), owner_needs_key=True) as url:
        assert principal(call(url)) == "401"
        assert principal(call(url, Authorization=f"Bearer {KEY}")) == "local"


def test_any_key_will_do_while_there_are_no_users() -> None:
    """OpenAI's clients insist on one."""
    house = House()
    with gateway(house) as url:
        assert principal(call(url, Authorization="Bearer none")) == "local"
        assert principal(call(url, Authorization="Bearer user")) == "local"
        house.users = True
        request(url + USERS_PATH.replace("setup", "register"), "POST", b"{}")
        assert principal(call(url, Authorization="Bearer none")) == "403"
        assert principal(call(url, Authorization="Bearer user")) == "u1"
        assert principal(call(url)) == "401"


def test_where_nobody_can_tell_of_users_the_key_is_needed() -> None:
    class Broken(House):
        async def invoke(
            self, function: str, payload: bytes, *, request_id: str | None = None
        ) -> InvokeResult:
            if function == "auth":
                return InvokeResult("id", b'"no"', "Unhandled", b"", 1.0, False)
            return await super().invoke(function, payload, request_id=request_id)

    with gateway(Broken()) as url:
        assert principal(call(url)) == "401"
        assert principal(call(url, Authorization=f"Bearer {KEY}")) == "local"


def test_probes_answer_anybody_where_no_route_does() -> None:
    probes = {"/health": lambda: (503, {"status": "failing"}), "/public": lambda: (200, {})}
    with gateway(House(users=True), probes=probes) as url:
        reply = call(url, "/health", X_Forwarded_For=STRANGER)
        assert (reply.status, reply.json()) == (503, {"status": "failing"})
        assert request(url + "/health", "POST").status == 404
        assert "requestContext" in call(url, "/public").json()
