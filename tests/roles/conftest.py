"""What a role finds when it starts: topics, a schema, and an encoder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from encoders.export import export_use
from streams.settings import Settings
from streams.storage import initialise


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_use(folder)
    return folder


@pytest.fixture
def ready(settings: Settings, models: Path) -> Settings:
    initialise(settings)
    return msgspec.structs.replace(settings, encoder=msgspec.structs.replace(settings.encoder, models_dir=str(models)))
