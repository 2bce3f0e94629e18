"""What the names of classes mean, as people's models and data sets spell them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.errors import ModelFailed
from hearth_vision.class_meaning import Meaning, Thing, meaning_of, meanings_of, what_is_missing
from hearth_vision.loading import class_names


@pytest.mark.parametrize(
    ("name", "thing", "present"),
    [
        ("person", Thing.PERSON, True),
        ("Human", Thing.PERSON, True),
        ("pedestrian", Thing.PERSON, True),
        ("Arbeiter", Thing.PERSON, True),
        ("Fußgänger", Thing.PERSON, True),
        ("człowiek", Thing.PERSON, True),
        ("工人", Thing.PERSON, True),
        ("Hardhat", Thing.HELMET, True),
        ("hard-hat", Thing.HELMET, True),
        ("hat", Thing.HELMET, True),
        ("Safety Helmet", Thing.HELMET, True),
        ("Schutzhelm", Thing.HELMET, True),
        ("casco", Thing.HELMET, True),
        ("安全帽", Thing.HELMET, True),
        ("NO-Hardhat", Thing.HELMET, False),
        ("no_helmet", Thing.HELMET, False),
        ("NoHelmet", Thing.HELMET, False),
        ("without helmet", Thing.HELMET, False),
        ("With Helmet", Thing.HELMET, True),
        ("person_without_helmet", Thing.HELMET, False),
        ("worker with vest", Thing.VEST, True),
        ("ohne Helm", Thing.HELMET, False),
        ("sin casco", Thing.HELMET, False),
        ("sans casque", Thing.HELMET, False),
        ("без каски", Thing.HELMET, False),
        ("未戴安全帽", Thing.HELMET, False),
        ("helmet_missing", Thing.HELMET, False),
        ("reflective-jacket", Thing.VEST, True),
        ("Weste", Thing.VEST, True),
        ("NO-Safety Vest", Thing.VEST, False),
        ("hi-vis", Thing.VEST, True),
        ("no_goggle", Thing.GOGGLES, False),
        ("Sicherheitsschuhe", Thing.BOOTS, True),
        ("head", Thing.HEAD, True),
        ("Kopf", Thing.HEAD, True),
        ("face", None, None),
        ("mask", None, None),
        ("NO-Mask", None, None),
        ("car", None, None),
        # Ordinary clothes are no protective equipment: whoever wears them is not compliant.
        ("jacket", None, None),
        ("glasses", None, None),
        ("Brille", None, None),
        ("shoes", None, None),
        ("bot", None, None),
        ("no", None, None),
        ("", None, None),
        ("__", None, None),
    ],
)
def test_a_name_means(name: str, thing: Thing | None, present: bool | None) -> None:
    expected = None if thing is None or present is None else Meaning(thing, present)
    assert meaning_of(name) == expected


def test_a_head_is_a_bare_one_only_beside_helmets() -> None:
    bare = Meaning(Thing.HELMET, present=False)
    assert meanings_of(["head", "helmet"]) == (bare, Meaning(Thing.HELMET))
    assert meanings_of(["head", "person"]) == (None, Meaning(Thing.PERSON))


@pytest.mark.parametrize(
    ("classes", "required", "said"),
    [
        (["person", "helmet", "vest"], ["helmet", "vest"], []),
        (["head", "helmet"], [], ["heads and helmets are judged"]),
        (["car", "dog"], ["helmet"], ["nothing is judged"]),
        (["vest"], [], ["no class of the model means a person"]),
        (["person"], ["helmet", "vest"], ["the policy requires helmet and vest"]),
    ],
)
def test_what_a_model_cannot_judge_is_said_with_the_remedy(
    classes: list[str], required: list[str], said: list[str]
) -> None:
    problems = what_is_missing(classes, required)
    assert len(problems) == len(said)
    for problem, part in zip(problems, said, strict=True):
        assert part in problem
        assert "--classes" in problem


@pytest.mark.parametrize(
    "content",
    [
        "helmet\nno vest\n",
        "\ufeffhelmet\r\nno vest\r\n",
        '"helmet"\n"no vest"\n',
        "'helmet', 'no vest'",
        '["helmet", "no vest"]',
        '{"0": "helmet", "1": "no vest"}',
        '{"1": "no vest", "0": "helmet"}',
        '{"helmet": 0, "no vest": 1}',
    ],
)
def test_names_are_read_as_people_write_them(tmp_path: Path, content: str) -> None:
    (tmp_path / "names.txt").write_text(content, encoding="utf-8", newline="")
    assert class_names(str(tmp_path / "names.txt")) == ("helmet", "no vest")
    if "\n" not in content:
        assert class_names(content) == ("helmet", "no vest")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"0": "a", "2": "b"}', "do not run from 0 to 1"),
        ('{"0": "a"', "not valid JSON"),
        ("[1, 2]", "list of names"),
        ("[" * 100_000, "not valid JSON"),
        ("a,,b", "name 2 of 3 is empty"),
        ("a,a", "given twice"),
    ],
)
def test_names_that_are_none_are_refused(content: str, why: str) -> None:
    with pytest.raises(ModelFailed, match=why):
        class_names(content)
