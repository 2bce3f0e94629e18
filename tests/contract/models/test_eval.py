"""`hearth models eval` from a dataset to figures, page and sheet, on a real graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hearth_vision.images import ImageLimits, decode_image
from tests.contract.models.conftest import Call

CELL = 16


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Thirty pictures with a red and a person's (blue) square each; on five more a red square is
    labelled that is not there, and on one there is a blue square that is not labelled."""
    folder = tmp_path / "set"
    (folder / "images/val").mkdir(parents=True)
    (folder / "labels/val").mkdir(parents=True)
    (folder / "data.yaml").write_text("val: images/val\nnames: [person, red, boots <b>]\n")
    random = np.random.default_rng(1)
    for number in range(36):
        image = np.zeros((64, 96, 3), np.uint8)
        lines = []
        places = random.permutation(24)[:2]
        for class_id, channel, place in ((0, 0, places[0]), (1, 2, places[1])):
            y, x = divmod(int(place), 6)
            there = number < 30 or (number == 35 and class_id == 0)
            if there:
                image[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL, channel] = 250
            if number < 30 or (number < 35 and class_id == 1):
                centre = ((x + 0.5) / 6, (y + 0.5) / 4)
                lines.append(f"{class_id} {centre[0]:.5f} {centre[1]:.5f} {1 / 6:.5f} 0.25")
        Image.fromarray(image[..., ::-1]).save(folder / f"images/val/{number:02}.png")
        (folder / f"labels/val/{number:02}.txt").write_text("\n".join(lines))
    (folder / "images/val/broken.png").write_bytes(b"GIF89a")
    return folder


def test_figures_page_and_sheet_are_written(
    hearth_models: Call, model: Path, dataset: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    out = tmp_path / "out"
    command = ("eval", "best-model", "--dataset", dataset, "--out", out, *data)
    result = hearth_models(*command, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts == json.loads((out / "evaluation.json").read_text()) | {
        "written": facts["written"]
    }
    assert facts["pictures"] == 36
    assert facts["objects"] == 65
    assert facts["dataset"]["classes_unknown_to_the_model"] == ["boots <b>"]
    assert "broken.png" in facts["dataset"]["pictures_left_out"][0]
    rows = {row["class"]: row for row in facts["per_class"]}
    assert rows["red"]["objects"] == 35
    # Thirty of thirty-five are there to be found.
    assert rows["red"]["at_threshold_used"]["recall"] == pytest.approx(30 / 35, abs=0.001)
    assert rows["person"]["at_threshold_used"]["missed"] == 0
    assert rows["person"]["suggested_threshold"] is not None
    table = facts["confusion"]
    red, person = table["rows"].index("red"), table["columns"].index("person")
    assert table["counts"][red][-1] == 5
    assert table["counts"][-1][person] >= 1
    page = (out / "evaluation.html").read_text()
    assert "boots &lt;b&gt;" in page
    assert "boots <b>" not in page
    assert "data:image/jpeg;base64," in page
    sheet = decode_image((out / "misses.jpg").read_bytes(), ImageLimits())
    assert sheet.shape[1] > 200
    shown = hearth_models(*command)
    assert shown.exit_code == 0
    assert "the model has no class boots <b>" in shown.stderr
    assert "evaluation.html" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "nowhere"), "folder nowhere does not exist"),
        (("--dataset", "SET", "--variant", "int8"), "has no variant int8; it has original"),
        (("--dataset", "SET", "--split", "train"), "has no folder of images for train"),
    ],
)
def test_invalid_evaluations_are_one_line_errors(
    hearth_models: Call,
    model: Path,
    dataset: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    given = [str(dataset) if one == "SET" else one for one in arguments]
    refused = hearth_models("eval", "best-model", *given, "--out", tmp_path / "out", *data)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert refused.stderr.strip().count("\n") == 0
