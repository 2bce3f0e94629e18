from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.image.build import missing
from tests.image.places import images, localemu_lambda, ministack_lambda, rie, runtime, sam
from tests.image.places.contract import CASES
from tests.image.places.place import Place
from tests.image.places.scope import first_of_each_function, needs_every_case
from tests.image.places.story import Told, live

PROCESS = Place("process", runtime.processes, stage="", whole=True)
PLACES = (
    PROCESS,
    Place("container", runtime.containers, whole=True),
    Place("rie", rie.emulated),
    Place("sam-invoke", sam.invoke, "runtime", asks=sam.is_first_of_its_function),
    Place("sam-start-lambda", sam.start_lambda, "runtime"),
    Place("sam-start-api", sam.start_api, "runtime", asks=sam.is_http),
    Place("ministack", ministack_lambda.functions, "with-rie", ministack_lambda.around),
    Place("localemu", localemu_lambda.functions, around=localemu_lambda.around),
)

Database = Callable[[], str]


@pytest.fixture(scope="session")
def database(postgres_server: str) -> Iterator[Database]:
    """Makes an empty PostgreSQL database; gives its URL."""
    names: list[str] = []
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:

        def create() -> str:
            names.append(f"t_{uuid4().hex}")
            admin.execute(f"CREATE DATABASE {names[-1]}")
            return f"{postgres_server}/{names[-1]}"

        yield create
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def reference(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the functions answer as plain processes."""
    with PROCESS.around(open_folder(tmp_path_factory, "process"), database()) as around:
        return live(PROCESS, around, CASES)


@pytest.fixture(scope="session", params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    """A place that this run tries, with its images built."""
    it: Place = request.param
    need(it)
    return it


@pytest.fixture(scope="session")
def told(
    place: Place,
    reference: Told,
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> Told:
    """What the functions answer in a place."""
    if place is PROCESS:
        return reference
    with place.around(open_folder(tmp_path_factory, place.name), database()) as around:
        whole = place.whole or needs_every_case()
        return live(place, around, CASES if whole else first_of_each_function(CASES))


def need(place: Place) -> None:
    """Have the images that a place runs; skips with the reason why it is not tried."""
    if not place.wanted():
        pytest.skip(f"HEARTH_PLACES does not name {place.name}")
    if not place.stage:
        return
    if (reason := missing()) is not None:
        pytest.skip(reason)
    for capability in images.capabilities():
        images.build(capability, place.stage)


def open_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A new folder that a container's user may write to."""
    folder = tmp_path_factory.mktemp(name)
    folder.chmod(0o777)  # a container's user is nobody here
    for parent in folder.parents[:2]:
        parent.chmod(0o755)
    return folder
