"""A real PostgreSQL, started for the tests and stopped for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.support.daemons import free_port

_START_S = 30
_MEMORY = 2**30
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Missing(RuntimeError):
    """PostgreSQL cannot be started on this machine."""


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server on a free loopback port; yields its URL without a database name.

    Raises:
        Missing: It is not installed, or there is no account to run it as.
    """
    initdb, postgres = _binaries()
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="hearth-postgres-", dir=_fast_folder()))
    process: subprocess.Popen[bytes] | None = None
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        subprocess.run(
            [
                *(initdb, "-D", data, "-U", "hearth", "-A", "trust", "-E", "UTF8", "--no-sync"),
                "--locale=C.UTF-8",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            env=_environment(folder),
            **_as(account),
        )
        port = free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    postgres,
                    *("-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""),
                    # Nothing here survives the test anyway, so the disk need not be waited for.
                    *("-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB"),
                    # Tests that compare query plans run ANALYZE themselves.
                    *("-c", "autovacuum=off", "-c", "max_wal_size=64MB"),
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
                env=_environment(folder),
                # Set after the change of user, which would clear it: no server outlives the tests.
                preexec_fn=_die_with_parent,
                **_as(account),
            )
        url = f"postgresql://hearth@127.0.0.1:{port}"
        _wait_for(url, process, folder / "log")
        yield url
    finally:
        if process is not None:
            # SIGINT is PostgreSQL's fast shutdown: clients are cut off, children are reaped.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _fast_folder() -> Path | None:
    """Memory where there is plenty: creating a database copies hundreds of files."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        return memory if shutil.disk_usage(memory).free > _MEMORY else None
    return None


def _binaries() -> tuple[str, str]:
    # Newest first; Debian keeps them out of PATH.
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True
    )
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    initdb, postgres = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or postgres is None:
        raise Missing(
            "no PostgreSQL here (initdb, postgres); on Debian: apt-get install postgresql"
        )
    return initdb, postgres


def _account() -> pwd.struct_passwd | None:
    """The account to run as: PostgreSQL does not run as root. None means the current one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Missing("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _as(account: pwd.struct_passwd | None) -> dict[str, object]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TZ": "UTC", "LANG": "C.UTF-8"}


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once: {log.read_text()[-2000:]}")
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
