"""Archives: what goes in comes out, and nothing that was damaged or made up comes out at all."""

from __future__ import annotations

import gc
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth_runtime.backup import new_file
from hearth_runtime.backup.archive import ArchiveReader
from hearth_runtime.backup.backup import back_up
from hearth_runtime.backup.errors import BackupError
from hearth_runtime.backup.object_folder import path_of, stored_objects
from hearth_runtime.backup.restore import restore
from hearth_runtime.stack_state import UNFINISHED_RESTORE, AlreadyRunning, StackLock
from tests.support.ministack import ministack
from tests.support.stack_process import start, stop

BUCKET = "hearth-bucket"
# What a path cannot hold, what is in another's way, and what XML cannot hold.
ODD_KEYS = (
    "a",
    "a/b",
    "b/c",
    "b",
    "x//y",
    "../x",
    "./x",
    "d/",
    "q.meta.json",
    "t.tmp",
    "ü %41+&",
    "\x01",
)
KEYS = ("evidence/1.jpg", "frames/gate/1.jpg", "reports/1.pdf", "k" * 300, *ODD_KEYS)


def bytes_of(key: str) -> bytes:
    return f"<{key}>".encode() * 100


def client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def stored(url: str) -> dict[str, tuple[bytes, str, datetime]]:
    """Every object that an S3 server gives out: bytes, type, time."""
    with closing(client(url)) as s3:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        answers = {key: s3.get_object(Bucket=BUCKET, Key=key) for key in keys}
        return {
            key: (answer["Body"].read(), answer["ContentType"], answer["LastModified"])
            for key, answer in answers.items()
        }


def make_database(data: Path, rows: int = 10) -> None:
    with closing(sqlite3.connect(data / "hearth.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('0004')")
        database.execute("CREATE TABLE jobs (id INTEGER)")
        database.executemany("INSERT INTO jobs VALUES (?)", [(n,) for n in range(rows)])
        database.commit()


def jobs_in(data: Path) -> int:
    with closing(sqlite3.connect(data / "hearth.db")) as database:
        return int(database.execute("SELECT count(*) FROM jobs").fetchone()[0])


def make_object(data: Path, key: str, content: bytes) -> None:
    path = data / "objects/000000000000" / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What a stack that is down has left: a database, a frame, a report."""
    folder = tmp_path / "data"
    folder.mkdir()
    make_database(folder)
    make_object(folder, "frames/gate/1.jpg", b"frame" * 1000)
    make_object(folder, "reports/1.pdf", b"report" * 1000)
    (folder / "schedules.json").write_text("{}")
    return folder


MODEL = "models/best/0123456789ab"
REGISTRY = {f"{MODEL}/model.onnx": b"o" * 5000, f"{MODEL}/record.json": b"{}"}
REGISTRY["models/served.json"] = b'{"served": 1}'


def make_registry(data: Path, where: str) -> None:
    """One promoted model, in the stack's folder or in its bucket."""
    for name, content in REGISTRY.items():
        if where == "bucket":
            make_object(data, name, content)
        else:
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_bytes(content)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small archive."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "data").mkdir()
    make_database(folder / "data")
    make_object(folder / "data", "reports/1.pdf", os.urandom(3000))
    make_registry(folder / "data", "folder")
    back_up(folder / "data", folder / "b.tar.gz")
    return (folder / "b.tar.gz").read_bytes()


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"runtime.lock"}


# ---- round trips ----


def test_an_empty_stack_comes_back_empty(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "objects").mkdir(parents=True)
    make_database(data, rows=0)
    summary = back_up(data, tmp_path / "b.tar.gz")
    assert (summary.objects, summary.running) == (0, False)
    restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert jobs_in(tmp_path / "new") == 0


@pytest.mark.parametrize("name", ["b.tar.gz", "b.tgz", "b.tar.zst"])
def test_what_goes_in_comes_out(data: Path, tmp_path: Path, name: str) -> None:
    if name.endswith("zst") and shutil.which("zstd") is None and sys.version_info < (3, 14):
        pytest.skip("no Zstandard here")
    summary = back_up(data, tmp_path / name)
    assert (summary.objects, summary.schema_revision, summary.frames) == (2, "0004", True)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    came = restore(tmp_path / name, tmp_path / "new")
    assert (came.objects, came.schema_revision, came.replaced) == (2, "0004", None)
    assert jobs_in(tmp_path / "new") == 10
    assert (tmp_path / "new/schedules.json").read_text() == "{}"
    report = tmp_path / "new/objects/000000000000" / BUCKET / "reports/1.pdf"
    assert report.read_bytes() == b"report" * 1000
    assert contents(tmp_path / "new") == {"hearth.db", "objects", "schedules.json"}


def test_frames_can_be_left_out(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "b.tar.gz", frames=False).objects == 1
    restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert [o.key for o in stored_objects(tmp_path / "new/objects")] == ["reports/1.pdf"]


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_models_go_with_it_and_say_their_size(data: Path, tmp_path: Path, where: str) -> None:
    make_registry(data, where)
    root = data / "models"
    root.mkdir(exist_ok=True)
    (root / "photo.jpg").write_bytes(b"no file of the registry")
    summary = back_up(data, tmp_path / "b.tar.gz")
    assert (summary.models, summary.models_size) == (1, sum(map(len, REGISTRY.values())))
    assert restore(tmp_path / "b.tar.gz", tmp_path / "new").models is True
    home = tmp_path / "new"
    if where == "bucket":
        home = home / "objects/000000000000" / BUCKET
    assert {name: (home / name).read_bytes() for name in REGISTRY} == REGISTRY
    if where == "folder":
        # Containers of functions read them as another user.
        assert (home / f"{MODEL}/model.onnx").stat().st_mode & 0o777 == 0o644
        assert not (home / "models/photo.jpg").exists()


def test_models_can_be_left_out_and_those_of_functions_stay(data: Path, tmp_path: Path) -> None:
    make_registry(data, "folder")
    make_registry(data, "bucket")
    make_object(data, "models/clustering/01.skops", b"trained")
    summary = back_up(data, tmp_path / "b.tar.gz", models=False)
    assert (summary.models, summary.models_size) == (0, 0)
    assert restore(tmp_path / "b.tar.gz", tmp_path / "new").models is False
    assert not (tmp_path / "new/models").exists()
    assert sorted(o.key for o in stored_objects(tmp_path / "new/objects")) == [
        "frames/gate/1.jpg",
        "models/clustering/01.skops",
        "reports/1.pdf",
    ]


def test_an_archive_of_the_first_format_is_taken(archive: bytes) -> None:
    def first(files: Any) -> Any:
        header = json.loads(files[0][1]) | {"format": 1}
        del header["models"]
        kept = [one for one in files if not one[0].name.startswith("models/")]
        lines = [line for line in kept[-1][1].splitlines() if b'"models/' not in line]
        head = (files[0][0], json.dumps(header).encode())
        return [head, *kept[1:-1], (kept[-1][0], b"\n".join(lines) + b"\n")]

    assert restore_bytes(rewritten(archive, first))


def test_ministack_reads_what_was_restored_and_any_key_survives(tmp_path: Path) -> None:
    # MiniStack writes the folder that is read here, and reads the folder that is written here.
    data = tmp_path / "data"
    with ministack(data) as url, closing(client(url)) as s3:
        s3.create_bucket(Bucket=BUCKET)
        for key in KEYS:
            s3.put_object(Bucket=BUCKET, Key=key, Body=bytes_of(key), ContentType="image/jpeg")
        before = stored(url)
    assert {key: before[key][0] for key in before} == {key: bytes_of(key) for key in KEYS}
    make_database(data)
    assert back_up(data, tmp_path / "b.tar.gz").objects == len(KEYS)
    restore(tmp_path / "b.tar.gz", tmp_path / "new")
    with ministack(tmp_path / "new") as url:
        assert stored(url) == before


def test_rows_committed_while_the_copy_is_made_are_whole_or_absent(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "objects").mkdir(parents=True)
    make_database(data, rows=0)
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(data / "hearth.db")], stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        for number in range(5):
            back_up(data, tmp_path / f"{number}.tar.gz")
    finally:
        writer.kill()
        writer.communicate()
    found = []
    for number in range(5):
        restore(tmp_path / f"{number}.tar.gz", tmp_path / f"new-{number}")
        found.append(jobs_in(tmp_path / f"new-{number}"))
    assert found == sorted(found)
    assert found[-1] > found[0] > 0
    assert [count % 7 for count in found] == [0] * 5  # it commits seven at a time


_WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
while True:
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT INTO jobs VALUES (?)", [(1,)] * 7)
    database.execute("COMMIT")
    print("writing", flush=True)
"""


def peak_of(folder: Path, objects: int) -> int:
    """Bytes of memory at most, while so many objects go into an archive and out of it."""
    data = folder / "data"
    (data / "objects").mkdir(parents=True)
    make_database(data, rows=1)
    for number in range(objects):
        make_object(data, f"frames/gate/{number:05}.jpg", b"x")
    gc.collect()
    tracemalloc.start()
    try:
        back_up(data, folder / "b.tar.gz")
        restore(folder / "b.tar.gz", folder / "new")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_objects(tmp_path: Path) -> None:
    # tarfile keeps what it has seen: 2 kB a file, 2 GB for the frames of ten days.
    peak_of(tmp_path / "first", 1)  # whatever is loaded once
    few = peak_of(tmp_path / "few", 100)
    many = peak_of(tmp_path / "many", 2100)
    assert many - few < 2000 * 500  # the names of one folder are held, nothing more


# ---- PostgreSQL ----


def test_a_postgresql_database_goes_with_it(data: Path, tmp_path: Path, postgres_url: str) -> None:
    second = f"{postgres_url}_second"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0009')")
        connection.execute("CREATE TABLE jobs AS SELECT generate_series(1, 5) AS id")
        connection.execute(f"CREATE DATABASE {second.rsplit('/', 1)[1]}")
    (data / "hearth.db").unlink()
    summary = back_up(data, tmp_path / "b.tar.gz", database_url=postgres_url)
    assert (summary.database, summary.schema_revision) == ("postgresql", "0009")

    with pytest.raises(BackupError, match="holds a PostgreSQL database"):
        restore(tmp_path / "b.tar.gz", tmp_path / "new")
    with pytest.raises(BackupError, match="pg_restore failed") as refused:
        restore(tmp_path / "b.tar.gz", tmp_path / "new", database_url=postgres_url)
    assert "empty" in refused.value.remedy
    assert contents(tmp_path / "new") == set()
    restore(tmp_path / "b.tar.gz", tmp_path / "new", database_url=second)
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (5,)
    assert contents(tmp_path / "new") == {"objects", "schedules.json"}


def test_without_pg_dump_it_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="is not on this machine") as told:
        back_up(data, tmp_path / "b.tar.gz", database_url="postgresql://u:secret@h/d")
    assert "postgresql-client" in told.value.remedy
    assert not list(tmp_path.glob("*.tar.gz"))


def test_a_password_is_in_no_command_line() -> None:
    from hearth_runtime.backup.database import _without_password

    name, environment = _without_password("postgresql+psycopg://me:a%40b@host:1/d?sslmode=require")
    assert name == "postgresql://me@host:1/d?sslmode=require"
    assert environment == {"PGPASSWORD": "a@b"}


# ---- what is refused ----


def test_a_target_may_lie_anywhere(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    for target in ("a.tar.gz", "below/b.tar.gz", "./below/../c.tar.gz", tmp_path / "d.tar.gz"):
        back_up(data, Path(target))
        assert Path(target).stat().st_size


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("b.zip", "must end in"),
        ("none/b.tar.gz", "cannot be opened"),
        ("there.tar.gz", "exists"),
    ],
)
def test_a_target_that_cannot_be(data: Path, tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "there.tar.gz").write_text("kept")
    with pytest.raises(BackupError, match=why):
        back_up(data, tmp_path / target)
    assert (tmp_path / "there.tar.gz").read_text() == "kept"


def test_a_folder_without_a_stack_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    with pytest.raises(BackupError, match="does not exist"):
        back_up(tmp_path / "none", target)
    with pytest.raises(BackupError, match="no database"):
        back_up(tmp_path, target)
    make_database(tmp_path)
    with pytest.raises(BackupError, match="another S3 server"):
        back_up(tmp_path, target)
    assert not target.exists()


def test_a_damaged_database_is_not_backed_up(data: Path, tmp_path: Path) -> None:
    (data / "hearth.db").write_bytes(b"SQLite format 3\x00" + os.urandom(8000))
    with pytest.raises(BackupError, match="is damaged"):
        back_up(data, tmp_path / "b.tar.gz")
    assert contents(tmp_path) == {"data"}


def test_a_disk_that_is_almost_full_is_left_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(data, tmp_path / "b.tar.gz")
    monkeypatch.setattr(new_file, "LEAST_FREE", 2**62)
    with pytest.raises(BackupError, match="is full"):
        restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert contents(tmp_path / "new") == set()
    with pytest.raises(BackupError, match="is full"):
        back_up(data, tmp_path / "c.tar.gz")
    assert contents(tmp_path) == {"data", "b.tar.gz", "new"}


def test_a_folder_that_is_not_empty_is_put_aside_only_when_asked(
    data: Path, tmp_path: Path
) -> None:
    back_up(data, tmp_path / "b.tar.gz")
    new = tmp_path / "new"
    new.mkdir()
    (new / "hearth.db").write_text("old")
    with pytest.raises(BackupError, match=r"not empty: it holds hearth\.db"):
        restore(tmp_path / "b.tar.gz", new)
    assert (new / "hearth.db").read_text() == "old"
    replaced = restore(tmp_path / "b.tar.gz", new, force=True).replaced
    assert replaced is not None
    assert Path(replaced, "hearth.db").read_text() == "old"
    assert jobs_in(new) == 10


def test_a_running_stack_is_not_restored_over(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "b.tar.gz")
    with StackLock(data), pytest.raises(AlreadyRunning, match="hearth down"):
        restore(tmp_path / "b.tar.gz", data, force=True)
    assert jobs_in(data) == 10


def test_no_stack_starts_on_a_restore_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED_RESTORE).mkdir()
    process = start(tmp_path)
    try:
        assert process.stdout is not None
        assert "was cut off" in process.stdout.readline()
    finally:
        stop(process)


def restore_bytes(archive: bytes) -> dict[str, bytes]:
    """Restore these bytes; the files that came. A refusal must leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        source, new = Path(folder, "b.tar.gz"), Path(folder, "new")
        source.write_bytes(archive)
        try:
            restore(source, new)
        except BackupError:
            assert not new.exists() or contents(new) == set()
            raise
        files = [path for path in new.rglob("*") if path.is_file() and path.name != "runtime.lock"]
        return {str(path.relative_to(new)): path.read_bytes() for path in files}


def test_a_whole_archive_is_taken(archive: bytes) -> None:
    restore_bytes(archive)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.floats(0, 1, exclude_max=True))
def test_an_archive_that_was_cut_short_is_refused(archive: bytes, cut: float) -> None:
    with pytest.raises(BackupError):
        restore_bytes(archive[: int(len(archive) * cut)])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_or_changes_nothing(archive: bytes, place: float, bit: int) -> None:
    # A few bits mean nothing: the time in the header, what fills up the last byte before the sum.
    changed = bytearray(archive)
    changed[int(len(archive) * place)] ^= 1 << bit
    try:
        came = restore_bytes(bytes(changed))
    except BackupError:
        return
    assert came == restore_bytes(archive)


def test_a_flipped_bit_in_the_middle_is_found(archive: bytes) -> None:
    changed = bytearray(archive)
    changed[len(archive) // 2] ^= 1
    with pytest.raises(BackupError, match="damaged"):
        restore_bytes(bytes(changed))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", gzip.compress(b""), gzip.compress(b"x" * 9999)],
    # A gzip file holds the time: workers that collect at different seconds would disagree.
    ids=["empty", "zip", "nothing in gzip", "no tar in gzip"],
)
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(BackupError, match=r"not a backup|ends too early"):
        restore_bytes(content)


# ---- made up by somebody ----


def rewritten(archive: bytes, change: Any) -> bytes:
    """The archive with its files, as (info, bytes), changed; all checksums fit again."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        files = []
        for info in tar:
            source = tar.extractfile(info)
            assert source is not None
            files.append((info, source.read()))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in change(files):
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_rewriting_without_a_change_is_taken(archive: bytes) -> None:
    restore_bytes(rewritten(archive, lambda files: files))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("../evil"),
        member("/etc/evil"),
        member("objects/000000000000/b/../../../../evil"),
        member("objects/000000000000/../x"),
        member("objects/000000000000/b/a//b"),
        member("hearth.db"),
        member("records/runtime.json"),
        member("objects/000000000000/b/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("objects/000000000000/b/link", tarfile.LNKTYPE, "database.sqlite"),
        member("objects/000000000000/b/fifo", tarfile.FIFOTYPE),
        member("objects/000000000000/b/device", tarfile.CHRTYPE),
        member("objects/000000000000/b/folder", tarfile.DIRTYPE),
        member("database.sqlite"),
        member("models/best.onnx"),
        member("models/../served.json"),
        member("models/best/0123456789ab/../model.onnx"),
        member("models/best/0123456789ab/.new-x"),
        member("models/best/0123456789ab/sub/model.onnx"),
        member("models/served.json", tarfile.SYMTYPE, "/etc/passwd"),
        member("models/served.json"),
        member("models/served.json/0123456789ab/model.onnx"),
        member("objects/000000000000/hearth-bucket/reports/1.pdf"),
        member("objects/000000000000/hearth-bucket/unlisted"),
    ],
    ids=lambda info: f"{info.name}-{info.type!r}",
)
def test_a_file_that_has_no_business_there_is_refused(
    archive: bytes, info: tarfile.TarInfo
) -> None:
    def added(files: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [*files[:-1], (info, b"x" if info.isreg() else b""), files[-1]]

    with pytest.raises(BackupError, match="damaged"):
        restore_bytes(rewritten(archive, added))


def test_a_manifest_that_lies_is_found(archive: bytes) -> None:
    def with_line(change: Any) -> Any:
        def changed(files: Any) -> Any:
            lines = [json.loads(line) for line in files[-1][1].splitlines()]
            text = "\n".join(json.dumps(change(line)) for line in lines)
            return [*files[:-1], (files[-1][0], text.encode())]

        return changed

    for change in (
        lambda line: line | {"sha256": "0" * 64},
        lambda line: line | {"facts": {}} if line["facts"] else line,
        lambda line: line | {"facts": line["facts"] | {"key": "../x"}} if line["facts"] else line,
        lambda line: line | {"more": 1},
        lambda line: [],
    ):
        with pytest.raises(BackupError, match="damaged"):
            restore_bytes(rewritten(archive, with_line(change)))
    with pytest.raises(BackupError, match="no database"):
        restore_bytes(rewritten(archive, lambda files: [files[0], (member("manifest.jsonl"), b"")]))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"format": 3}, "format 3"),
        ({"hearth": "99.0.0"}, "made by Hearth 99.0.0"),
        ({"format": "x"}, "damaged"),
        ({"surprise": 1}, "damaged"),
    ],
)
def test_another_version_is_refused_before_anything_is_made(
    archive: bytes, tmp_path: Path, facts: dict[str, Any], why: str
) -> None:
    def changed(files: Any) -> Any:
        header = json.loads(files[0][1]) | facts
        return [(files[0][0], json.dumps(header).encode()), *files[1:]]

    (tmp_path / "b.tar.gz").write_bytes(rewritten(archive, changed))
    with pytest.raises(BackupError, match=why):
        restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@settings(deadline=None)
@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_every_key_has_a_place_below_its_bucket(key: str) -> None:
    parts = path_of(key).split("/")
    assert not {"", ".", ".."} & set(parts)
    assert all(len(part.encode()) <= 200 and "\0" not in part for part in parts)


# ---- killed ----


def test_a_backup_that_is_killed_leaves_nothing(data: Path, tmp_path: Path) -> None:
    for number in range(300):
        make_object(data, f"frames/gate/{number:05}.jpg", os.urandom(20_000))
    folder = tmp_path / "backups"
    folder.mkdir()
    killed = 0
    for delay_s in (0.0, 0.01, 0.03, 0.06):
        process = subprocess.Popen(
            [sys.executable, "-c", _BACKUP, str(data), str(folder / "b.tar.gz")],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        if (folder / "b.tar.gz").exists():  # it was quicker: then it is whole
            shutil.rmtree(tmp_path / "new", ignore_errors=True)
            restore(folder / "b.tar.gz", tmp_path / "new")
            (folder / "b.tar.gz").unlink()
        assert list(folder.iterdir()) == []
    assert killed


_BACKUP = """
import sys
from pathlib import Path
from hearth_runtime.backup.backup import back_up
told = []
def progress(objects):
    if not told:
        told.append(print("copying", flush=True))
back_up(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress)
"""


def test_where_no_unnamed_file_can_be_made_a_failure_leaves_none_either(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # FAT has no O_TMPFILE and no links.
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)

    def no_links(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    back_up(data, tmp_path / "b.tar.gz")
    assert contents(tmp_path) == {"data", "b.tar.gz"}
    restore(tmp_path / "b.tar.gz", tmp_path / "new")
    (data / "hearth.db").write_bytes(b"no database")
    with pytest.raises(BackupError):
        back_up(data, tmp_path / "c.tar.gz")
    assert contents(tmp_path) == {"data", "b.tar.gz", "new"}


def test_the_reader_holds_no_more_than_the_header_before_it_refuses(archive: bytes) -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(archive)) as stream:
        header = ArchiveReader(stream).header  # type: ignore[arg-type]
    assert header.database == "sqlite"
    assert datetime.fromisoformat(header.created_at) <= datetime.now(UTC)
