"""What an encoder is: content in, one vector each out, or the reason why there is none.

A plug-in prepares one piece of content and runs a batch of prepared ones. Everything else is here, once: what is
missing and why, batches sorted by length, golden inputs, and that no zero vector ever leaves.
`encoders.conformance` checks it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from encoders.batching import batches
from encoders.errors import BrokenEncoderError, NoVectorError
from encoders.manifest import Manifest
from encoders.session import PROVIDERS, Session

__all__ = ["OK", "REASONS", "Encoder", "Vectors"]

Vectors = npt.NDArray[np.float32]
Content = TypeVar("Content")
Prepared = TypeVar("Prepared")

#: The status of content that has a vector.
OK = "ok"
#: Why content has none; a closed list, so that it can be counted.
REASONS = {
    "empty": "there is nothing to encode",
    "too_large": "more characters, bytes or pixels than are worth looking at",
    "broken": "it can't be decoded, or is of the wrong type",
    "unsupported": "a format that isn't decoded here",
    "refused": "policy: a host, address, scheme or folder that isn't allowed",
    "unreachable": "fetching failed; trying again may help",
    "unknown": "nothing in it was there when the encoder was trained",
    "no_vector": "the model's answer isn't finite, or all zeros",
}


class Encoder(ABC, Generic[Content, Prepared]):
    """The contract; one instance may be used from several threads.

    Parameters
    ----------
    manifest : Manifest
        Names the files. They are verified before anything is loaded, and the golden inputs are encoded on the provider
        that was really chosen before anybody else's content; that warms the session up, too.
    threads : int
        How many parts of what is given are prepared and run beside each other. Each model run has one thread: two
        threads in one operator gain less than two runs beside each other, and for large batches nothing (measured).

    Raises
    ------
    BrokenEncoderError
        A file was changed, or a golden input has another vector than it should.
    """

    #: Rows and padded cost of one batch; rows past 32 gain nothing on a CPU (measured).
    rows = 32
    budget = 4096
    #: Pieces of content that are prepared before a batch is run, to be sorted by length.
    ahead = 4096
    #: The same of a GPU, whose launches cost as much for one row as for hundreds (tests/bench/gpu.md).
    gpu_rows = 512
    gpu_budget = 16_384

    def __init__(self, manifest: Manifest, threads: int = 1) -> None:
        manifest.verify()
        self.manifest = manifest
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, manifest.id) if threads > 1 else None
        self._counting = threading.Lock()
        self._batches = self._batched = 0
        self._slowest = max(self._open(), key=lambda session: PROVIDERS.index(session.provider))
        if self._slowest.on_gpu:
            self.rows, self.budget, self.ahead = self.gpu_rows, self.gpu_budget, max(self.ahead, self.gpu_rows)
        self._check_goldens()
        self._batches = self._batched = 0

    @property
    def batches(self) -> tuple[int, int]:
        """How many batches the model was given, and how many pieces of content these held; golden inputs aside."""
        with self._counting:
            return self._batches, self._batched

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.manifest.dim

    @property
    def provider(self) -> str:
        """The execution provider that runs the model; of several models the slowest one."""
        return self._slowest.provider

    @property
    def steps_down(self) -> Sequence[str]:
        """Why each faster provider wasn't chosen."""
        return self._slowest.steps_down

    @abstractmethod
    def prepare(self, content: Content) -> Prepared:
        """Return what the model takes of one piece of content.

        Raises
        ------
        NoVectorError
            It has no vector; the reason is a key of `REASONS`.
        """

    @abstractmethod
    def cost(self, prepared: Prepared) -> int:
        """Return what its length is to batching: tokens, items, or 1."""

    @abstractmethod
    def golden(self, text: str) -> Content:
        """Return the content that a manifest's golden text stands for."""

    @abstractmethod
    def _open(self) -> Sequence[Session]:
        """Load whatever `prepare` and `_run` need; return the sessions among it."""

    @abstractmethod
    def _run(self, batch: Sequence[Prepared]) -> Vectors:
        """Return vectors (n, dim) of prepared content, padded to the longest."""

    def encode(self, contents: Sequence[Content]) -> Vectors:
        """Return float32 vectors (n, dim); a row of NaN where there is none."""
        vectors, _ = self.encode_with_status(contents)
        return vectors

    def encode_with_status(self, contents: Sequence[Content]) -> tuple[Vectors, list[str]]:
        """Return float32 vectors (n, dim) and, for each, ``ok`` or why it is missing (`REASONS`); such a row is NaN."""
        size = max(1, min(self.ahead, -(-len(contents) // self._threads)))
        parts = [contents[start : start + size] for start in range(0, len(contents), size)]
        done = self._pool.map(self._encode_part, parts) if self._pool else map(self._encode_part, parts)
        vectors = np.full((len(contents), self.dim), np.nan, np.float32)
        status: list[str] = []
        for found, states in done:
            vectors[len(status) : len(status) + len(found)] = found
            status += states
        return vectors, status

    def _encode_part(self, contents: Sequence[Content]) -> tuple[Vectors, list[str]]:
        vectors = np.full((len(contents), self.dim), np.nan, np.float32)
        status = [OK] * len(contents)
        ready: dict[int, Prepared] = {}
        for i, content in enumerate(contents):
            try:
                ready[i] = self.prepare(content)
            except NoVectorError as error:
                status[i] = error.reason
        places = list(ready)
        for batch in batches([self.cost(ready[i]) for i in places], self.rows, self.budget):
            chosen = [places[i] for i in batch]
            vectors[chosen] = self._run([ready[i] for i in chosen])
            with self._counting:
                self._batches += 1
                self._batched += len(chosen)
        for i in ready:
            if not np.isfinite(vectors[i]).all() or not vectors[i].any():
                vectors[i], status[i] = np.nan, "no_vector"
        return vectors, status

    def _check_goldens(self) -> None:
        goldens = self.manifest.goldens
        found, status = self.encode_with_status([self.golden(golden.text) for golden in goldens])
        for golden, vector, state in zip(goldens, found, status, strict=True):
            expected = np.array(golden.vector, np.float32)
            worst = float(np.abs(vector - expected).max()) if expected.shape == vector.shape else np.inf
            if not worst <= self.manifest.tolerance:
                msg = (
                    f"encoder {self.manifest.id} on {self.provider}: golden text {golden.text[:80]!r} ({state}) off by "
                    f"{worst:.2g}, allowed {self.manifest.tolerance}; its vectors can't be compared with stored ones"
                )
                raise BrokenEncoderError(msg)
