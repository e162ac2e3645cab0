"""Settings from a file: one `[segmentation]`, or several `[[segmentation]]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.settings import load_settings

SEVERAL = """
[[segmentation]]
name = "taste"
n_clusters = 6
interest_dim = 16

[[segmentation]]
name = "value"
columns = ["orders"]
parts = { behaviour = 1.0 }

[[segmentation]]
name = "odd"
model = "dbstream"
options = { clustering_threshold = 0.8 }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "userprism.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_several_segmentations_the_first_apart(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, SEVERAL), environ={"USERPRISM_SEGMENTATION__N_CLUSTERS": "9"})

    assert [one.name for one in settings.segmentations] == ["taste", "value", "odd"]
    assert settings.segmentation.n_clusters == 9
    assert {one.interest_dim for one in settings.segmentations} == {16}  # set once, for all
    assert settings.other_segmentations[0].columns == ["orders"]
    assert settings.other_segmentations[1].options == {"clustering_threshold": 0.8}


def test_one_table_is_one_segmentation(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "[segmentation]\nn_clusters = 5"), environ={})

    assert [(one.name, one.model, one.n_clusters) for one in settings.segmentations] == [("interest", "kmeans", 5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[segmentation]]\nname = "a"\n[[segmentation]]\nname = "a"', "no two have the same"),
        ('[segmentation]\nname = "A-1"', "small letters"),
        ('[segmentation]\nmodel = "os.system"', "must be"),
        ("[segmentation]\noptions = { k = 3 }", "options are for"),
        ('[segmentation]\nmode = "strict"', "can't be fitted"),
        ('[[segmentation]]\nname = "a"\n[[segmentation]]\nname = "b"\ntouches = 8', "in the first segmentation"),
    ],
)
def test_segmentations_that_contradict_themselves_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_settings(write(tmp_path, text), environ={})
