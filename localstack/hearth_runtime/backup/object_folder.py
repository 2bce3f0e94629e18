"""The folder in which MiniStack keeps objects, so that a stack that is down can be read too.

Layout of MiniStack 1.5 (S3_DATA_DIR): ACCOUNT/BUCKET/KEY holds the bytes, KEY.meta.json the rest.
A key that a path cannot hold lies in BUCKET/.ministack-keys under an encoded name. The tests let
MiniStack write what is read here, and read what is written here.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from .archive import Entry
from .errors import damaged

DEFAULT_ACCOUNT = "000000000000"
_ENCODED = ".ministack-keys"
_SIDECAR = ".meta.json"
_LONGEST_PART = 200
_LONGEST_SIDECAR = 2**20
_DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object and its bytes, which can be read once; `size` in bytes."""

    account: str
    bucket: str
    key: str
    size: int
    content_type: str
    last_modified: datetime
    body: Any

    @property
    def name(self) -> str:
        """Its name in an archive."""
        return f"objects/{self.account}/{self.bucket}/{path_of(self.key)}"

    @property
    def facts(self) -> dict[str, str]:
        """What an archive's manifest says about it."""
        return {
            "key": self.key,
            "content_type": self.content_type,
            "last_modified": _time(self.last_modified),
        }


def path_of(key: str) -> str:
    """Where a key lies in its bucket's folder, unless another key is in the way."""
    parts = key.split("/")
    plain = (
        key
        and "\x00" not in key
        and parts[0] != _ENCODED
        and all(
            part not in ("", ".", "..")
            and len(part.encode()) <= _LONGEST_PART
            and not part.endswith((_SIDECAR, ".tmp"))
            for part in parts
        )
    )
    return key if plain else encoded_path_of(key)


def encoded_path_of(key: str) -> str:
    """Where a key lies that a path cannot hold."""
    name = urllib.parse.quote(key, safe="").replace(".", "%2E")
    if len(name) > _LONGEST_PART:
        name = "sha256-" + hashlib.sha256(key.encode()).hexdigest()
    return f"{_ENCODED}/{name}"


def stored_objects(
    folder: Path, wanted: Callable[[str], bool] = lambda key: True
) -> Iterator[StoredObject]:
    """Every object of a folder whose key is wanted.

    One that is removed meanwhile is left out, as if it had been removed before.
    """
    for account in sorted(_folders(folder)):
        for bucket in sorted(_folders(account)):
            for path, key in _keys(bucket):
                if not wanted(key):
                    continue
                try:
                    file = path.open("rb")
                except FileNotFoundError:
                    continue
                with file:
                    facts = _sidecar(path)
                    found = os.fstat(file.fileno())
                    yield StoredObject(
                        account.name,
                        bucket.name,
                        key,
                        found.st_size,
                        str(facts.get("content_type") or _DEFAULT_TYPE),
                        _parsed(facts.get("last_modified"))
                        or datetime.fromtimestamp(found.st_mtime, UTC),
                        file,
                    )


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]


def _keys(bucket: Path) -> Iterator[tuple[Path, str]]:
    for place, folders, names in os.walk(bucket):
        here = Path(place)
        folders.sort()
        encoded = here == bucket / _ENCODED
        for name in sorted(names):
            if name.endswith((_SIDECAR, ".tmp")):
                continue
            path = here / name
            if encoded:
                yield path, str(_sidecar(path).get("key") or urllib.parse.unquote(name))
            else:
                yield path, path.relative_to(bucket).as_posix()


def _sidecar(path: Path) -> Mapping[str, Any]:
    try:
        with path.with_name(path.name + _SIDECAR).open("rb") as file:
            facts = json.loads(file.read(_LONGEST_SIDECAR))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def place_for(root: Path, name: str) -> Path:
    """A new file for the object that an archive names so, below `root`; its folder is made.

    Raises:
        BackupError: There is one already.
    """
    path = _located(root, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        raise damaged(f"{name!r:.200} is in it twice")
    return path


def describe(root: Path, entry: Entry, md5: str) -> None:
    """Write what MiniStack wants to know of an object that was restored.

    Raises:
        BackupError: The manifest names another object than the archive holds.
    """
    facts = entry.facts
    try:
        key, kind = str(facts["key"]), str(facts["content_type"])
        modified = datetime.fromisoformat(str(facts["last_modified"]))
    except (KeyError, ValueError, TypeError):
        raise damaged(f"its manifest does not describe {entry.name!r:.200}") from None
    if entry.name.split("/", 3)[3] != path_of(key):
        raise damaged(f"its manifest calls {entry.name!r:.200} {key!r:.200}")
    path = _located(root, entry.name)
    sidecar = {
        "key": key,
        "content_type": kind,
        "etag": f'"{md5}"',
        "last_modified": _time(modified),
        "size": entry.size,
    }
    path.with_name(path.name + _SIDECAR).write_text(json.dumps(sidecar), encoding="utf-8")


def _located(root: Path, name: str) -> Path:
    """The file of an object. Where one key is another's folder, the second one is encoded."""
    _, account, bucket, rest = name.split("/", 3)
    home = root / "objects" / account / bucket
    plain, encoded = home / rest, home / encoded_path_of(rest)
    if plain.is_file() or rest.startswith(f"{_ENCODED}/"):
        return plain
    above = plain.parent
    while above != home:
        if above.is_file():
            return encoded
        above = above.parent
    return encoded if encoded.is_file() or plain.is_dir() else plain


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _parsed(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def open_new(path: Path) -> IO[bytes]:
    """A file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
