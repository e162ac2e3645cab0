"""The trained model of behaviour, for a profiler that runs: fetched beside the stream when there is a later one."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from encoders import BehaviourEncoder, EncoderError, load_manifest
from encoders.behaviour import AnomalyScorer, profiles_of
from streams.profiles.latent import Latent
from streams.profiles.unusual import Unusual
from streams.settings import Settings
from streams.storage.behaviour import BehaviourModel, fetch_files, latest_behaviour_model
from streams.storage.client import connect

__all__ = ["LatentFeed", "UnusualFeed", "load_latent"]

log = logging.getLogger(__name__)

#: How often somebody looks for a later model.
_LOOK_S = 2.0


Trained = TypeVar("Trained", Latent, Unusual)


class _Feed(Generic[Trained]):
    """Holds the latest model of a kind.

    Parameters
    ----------
    settings : Settings
        Addresses.
    client : Client
        Reads the model at the start.
    load : callable
        Makes the model of a folder with its files.
    wanted, anomaly : bool
        Whether anybody wants it, and of what kind.
    """

    def __init__(
        self, settings: Settings, client: Client, load: Callable[[Path], Trained], *, wanted: bool, anomaly: bool
    ) -> None:
        self._wanted, self._anomaly = wanted, anomaly
        self._load: Callable[[Path], Trained] = load
        self._client = connect(settings)
        self._beside = ThreadPoolExecutor(1, "behaviour")
        self._fetching: Future[Trained | None] | None = None
        self._looked_at = time.monotonic()
        self._version = 0
        self._coming = ""
        self.model: Trained | None = None
        #: Of the model; empty without one.
        self.space_id = ""
        found = latest_behaviour_model(client, anomaly=anomaly) if wanted else None
        if found is not None:
            self._version = found.version
            self.model = _fetched(client, found, load) if found.space_id else None
            self.space_id = found.space_id if self.model else ""

    def changed(self) -> bool:
        """See whether a later model has come in, or the model was taken away; True once for each."""
        if self._fetching is None:
            return self._look()
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
        log.info("the model of behaviour %s counts from now on", self._coming)
        self.model, self.space_id = found, self._coming
        return True

    def close(self) -> None:
        """Stop looking."""
        self._beside.shutdown()
        self._client.close()

    def _look(self) -> bool:
        """Begin to fetch a later model; return whether the model was taken away instead."""
        if not self._wanted or time.monotonic() - self._looked_at < _LOOK_S:
            return False
        self._looked_at = time.monotonic()
        try:
            found = latest_behaviour_model(self._client, anomaly=self._anomaly)
        except (ClickHouseError, OSError) as error:
            log.warning("which model was trained last can't be read: %s", str(error).splitlines()[0])
            return False
        if found is None or found.version <= self._version:
            return False
        self._version = found.version
        if found.space_id:
            self._coming = found.space_id
            self._fetching = self._beside.submit(_fetched, self._client, found, self._load)
            return False
        had, self.model, self.space_id = self.model, None, ""
        if had is not None:
            log.info("the model of behaviour was taken away; none counts from now on")
        return had is not None


class LatentFeed(_Feed[Latent]):
    """Holds the latest model of baskets; the weight 0 of its part leaves it where it is."""

    def __init__(self, settings: Settings, client: Client) -> None:
        wanted = settings.segmentation.parts.get("latent", 0.0) > 0
        super().__init__(settings, client, lambda folder: load_latent(folder, "model"), wanted=wanted, anomaly=False)

    @property
    def latent(self) -> Latent | None:
        """The model, if there is one."""
        return self.model


class UnusualFeed(_Feed[Unusual]):
    """Holds the latest model of what is unusual."""

    def __init__(self, settings: Settings, client: Client) -> None:
        super().__init__(settings, client, load_unusual, wanted=True, anomaly=True)


def load_unusual(folder: Path) -> Unusual:
    """Return a score and the model of baskets that it was trained on.

    Raises
    ------
    BrokenEncoderError
        A file was changed, or a golden input has another answer than it should.
    """
    scorer = AnomalyScorer(load_manifest("score", folder / "model"))
    return Unusual(load_latent(folder / "model", "basket"), profiles_of, scorer.score, scorer.ladder())


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


def _fetched(client: Client, model: BehaviourModel, load: Callable[[Path], Trained]) -> Trained | None:
    """Return a stored model; None for one that can't be used, which is said and passed over."""
    folder = Path(tempfile.mkdtemp(prefix="userprism-model-"))
    try:
        fetch_files(client, model.version, folder / "model")
        return load(folder)
    except (EncoderError, ValueError) as error:
        log.error("model %d (%s) can't be used: %s", model.version, model.space_id, error)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the session has read them
