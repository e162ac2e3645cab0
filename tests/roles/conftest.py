"""What a role finds when it starts: topics, a schema, and an encoder."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from encoders.export import export_use
from encoders.manifest import file_sha256
from streams.settings import Settings
from streams.storage import initialise
from tests.encoders.test_contract import tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_use(folder)
    return folder


@pytest.fixture
def ready(settings: Settings, models: Path) -> Settings:
    initialise(settings)
    return msgspec.structs.replace(settings, encoder=msgspec.structs.replace(settings.encoder, models_dir=str(models)))


def twin(folder: Path, name: str, swapped: bool) -> None:
    """Write an encoder of one-hot words; with `swapped`, red and green change places."""
    tiny(folder / name)
    tokenizer = folder / name / "tokenizer.json"
    written = json.loads(tokenizer.read_text())
    if swapped:
        written["model"]["vocab"] |= {"red": 2, "green": 1}
    tokenizer.write_text(json.dumps(written))
    path = folder / name / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest |= {"id": name, "space_id": f"{name}/1"}
    manifest["sha256"]["tokenizer.json"] = file_sha256(tokenizer)
    if swapped:
        manifest["goldens"] = [{"text": "red green red", "vector": [0.0, 1.0, 2.0, 0.0]}]
    path.write_text(json.dumps(manifest))


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """A stack whose settings name the encoder `one`, with `two` installed beside it."""
    for name, swapped in (("one", False), ("two", True)):
        twin(tmp_path / "models", name, swapped)
    initialise(settings)
    replace = msgspec.structs.replace
    return replace(
        settings,
        encoder=replace(settings.encoder, text="one", models_dir=str(tmp_path / "models"), nice=0),
        segmentation=replace(settings.segmentation, interest_dim=4, n_clusters=3),
    )
