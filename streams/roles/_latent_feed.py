"""The trained model of behaviour, for a profiler that runs: fetched beside the stream when there is a later one."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from encoders import BehaviourEncoder, EncoderError, load_manifest
from streams.profiles.latent import Latent
from streams.settings import Settings
from streams.storage.behaviour import BehaviourModel, fetch_files, latest_behaviour_model
from streams.storage.client import connect

__all__ = ["LatentFeed", "load_latent"]

log = logging.getLogger(__name__)

#: How often somebody looks for a later model.
_LOOK_S = 2.0


class LatentFeed:
    """Holds the latest model.

    Parameters
    ----------
    settings : Settings
        Addresses, and the weight of the part: 0 leaves the model where it is.
    client : Client
        Reads the model at the start.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._wanted = settings.segmentation.parts.get("latent", 0.0) > 0
        self._client = connect(settings)
        self._beside = ThreadPoolExecutor(1, "behaviour")
        self._fetching: Future[Latent | None] | None = None
        self._looked_at = time.monotonic()
        self._version = 0
        self.latent: Latent | None = None
        found = latest_behaviour_model(client) if self._wanted else None
        if found is not None:
            self._version = found.version
            self.latent = _fetched(client, found)

    def changed(self) -> bool:
        """See whether a later model has come in; True once for each."""
        if self._fetching is None:
            self._look()
            return False
        if not self._fetching.done():
            return False
        fetching, self._fetching = self._fetching, None
        try:
            found = fetching.result()
        except (ClickHouseError, OSError) as error:
            log.warning("the trained model can't be read: %s; trying again", str(error).splitlines()[0])
            self._version = 0
            return False
        if found is None:
            return False
        log.info("the model of behaviour %s counts from now on", found.space_id)
        self.latent = found
        return True

    def close(self) -> None:
        """Stop looking."""
        self._beside.shutdown()
        self._client.close()

    def _look(self) -> None:
        if not self._wanted or time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        try:
            found = latest_behaviour_model(self._client)
        except (ClickHouseError, OSError) as error:
            log.warning("which model was trained last can't be read: %s", str(error).splitlines()[0])
            return
        if found is not None and found.version > self._version:
            self._version = found.version
            self._fetching = self._beside.submit(_fetched, self._client, found)


def load_latent(folder: Path, name: str) -> Latent:
    """Return an installed basket model over content ids; its files and golden baskets are checked.

    Raises
    ------
    BrokenEncoderError
        A file was changed, or a golden basket has another vector than it should.
    """
    encoder = BehaviourEncoder(load_manifest(name, folder))
    vocabulary = np.array([int(item) for item in encoder.vocabulary], np.uint64)
    return Latent(encoder.manifest.space_id, vocabulary, encoder.dim, encoder.run)


def _fetched(client: Client, model: BehaviourModel) -> Latent | None:
    """Return a stored model; None for one that can't be used, which is said and passed over."""
    folder = Path(tempfile.mkdtemp(prefix="userprism-model-"))
    try:
        fetch_files(client, model.version, folder / "model")
        return load_latent(folder, "model")
    except (EncoderError, ValueError) as error:
        log.error("model %d (%s) can't be used: %s", model.version, model.space_id, error)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the session has read them
