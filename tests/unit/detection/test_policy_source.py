"""Where the policy comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.detection.intake.policy_source import REFRESH_S, PolicySource
from functions.detection.judging.equipment import Item
from functions.detection.policy import SiteProfile
from hearth.errors import InvalidInput, NotFound, TooLarge
from tests.support.fakes import MemoryStore

HELMET = b"defaults: {required: [helmet]}"


class Ticks:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize(
    ("profile", "required"),
    [(SiteProfile.HOME, ()), (SiteProfile.WORKSITE, (Item.HELMET, Item.VEST))],
)
def test_without_a_policy_the_profile_of_the_site_applies(
    profile: SiteProfile, required: tuple[Item, ...]
) -> None:
    source = PolicySource("", "hearth", MemoryStore, profile=profile)
    assert source.current().rules("gate").required == required


def test_a_file_is_read_and_read_again_after_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(HELMET)
    ticks = Ticks()
    source = PolicySource(str(path), "hearth", MemoryStore, ticks)
    assert source.current().defaults.required == (Item.HELMET,)
    path.write_bytes(b"defaults: {required: []}")
    assert source.current().defaults.required == (Item.HELMET,)
    ticks.time += REFRESH_S
    assert source.current().defaults.required == ()


@pytest.mark.parametrize("broken", [b"defaults: {require: []}", b"{", b"\xff", None])
def test_a_policy_that_cannot_be_read_leaves_the_last_good_one_in_force(
    tmp_path: Path, broken: bytes | None
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(HELMET)
    ticks = Ticks()
    source = PolicySource(str(path), "hearth", MemoryStore, ticks)
    source.current()
    path.unlink() if broken is None else path.write_bytes(broken)
    ticks.time += REFRESH_S
    assert source.current().defaults.required == (Item.HELMET,)
    assert source.problem is not None
    assert "policy.yaml" in source.problem
    path.write_bytes(b"defaults: {required: []}")
    ticks.time += REFRESH_S
    assert source.current().defaults.required == ()
    assert source.problem is None


def test_a_policy_in_the_stacks_bucket_is_read() -> None:
    store = MemoryStore()
    store.put("config/policy.yaml", HELMET, "text/yaml")
    source = PolicySource("s3://hearth/config/policy.yaml", "hearth", lambda: store)
    assert source.current().defaults.required == (Item.HELMET,)


@pytest.mark.parametrize(
    ("setting", "error", "says"),
    [
        ("s3://hearth", InvalidInput, "names no key"),
        ("s3://other/policy.yaml", InvalidInput, "lies in another bucket; put it into 'hearth'"),
        ("s3://hearth/missing.yaml", NotFound, "missing.yaml"),
        ("/nowhere/policy.yaml", NotFound, "cannot be read: No such file"),
    ],
)
def test_a_missing_policy_is_an_error(setting: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        PolicySource(setting, "hearth", MemoryStore).current()


def test_a_policy_over_the_size_limit_is_rejected_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(TooLarge):
        PolicySource(str(path), "hearth", MemoryStore).current()


def test_a_camera_may_have_the_entry_of_another_name(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "unknown_cameras: reject\ncameras: {dock: {restricted: true}, gate: {required: [vest]}}"
    )
    entries = {"cam-7": "dock", "gate": "dock", "cam-8": "nowhere"}
    ticks = Ticks()
    source = PolicySource(str(path), "hearth", MemoryStore, ticks, entries=lambda: entries)
    assert source.current().rules("cam-7").restricted
    # An entry of its own goes before, and one that does not exist is none.
    assert source.current().rules("gate").required == (Item.VEST,)
    with pytest.raises(InvalidInput, match="not in the policy"):
        source.current().rules("cam-8")
    entries["cam-8"] = "dock"
    ticks.time += REFRESH_S
    assert source.current().rules("cam-8").restricted
