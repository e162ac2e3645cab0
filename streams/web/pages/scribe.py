"""Has names written of what segments are called by their evidence, once for each such name."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Container
from urllib.parse import urlsplit

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from encoders.errors import NoVectorError
from encoders.images.fetch import Fetcher, FetchPolicy
from streams.errors import UnavailableError
from streams.settings import NamingSettings
from streams.storage.written_names import WrittenName, save_written_names
from streams.web.naming import SegmentName, answer_of, question, told_of
from streams.web.pages.source import Source
from streams.web.pages.texts import LANGUAGES
from streams.web.read import segment_evidence, segmentations

__all__ = ["Scribe"]

log = logging.getLogger(__name__)

#: Names settle in a stack's first minutes; who asks for each that passes pays for it.
_LOOK_S = 30.0
_RETRY_S, _RETRY_MOST_S = 60.0, 3_600.0
_LONGEST_ANSWER = 1_000_000
#: A name that has come back unusable so often stays as the evidence made it, until the process ends.
_TRIES = 3


class Scribe:
    """Asks an OpenAI-compatible endpoint for names.

    Parameters
    ----------
    source : Source
        What segments are called without it.
    naming : NamingSettings
        Whom to ask.

    Attributes
    ----------
    failures : int
        How often in a row asking has failed.
    """

    def __init__(self, source: Source, naming: NamingSettings) -> None:
        self._source, self._naming = source, naming
        parts = urlsplit(naming.url)
        self._fetcher = Fetcher(
            FetchPolicy(
                hosts=(parts.hostname or "",),
                ports=(parts.port or (443 if parts.scheme == "https" else 80),),
                networks=tuple(naming.networks),
                max_bytes=_LONGEST_ANSWER,
                timeout_s=naming.timeout_s,
            )
        )
        self.failures = 0
        self._not_before = 0.0
        self._tries: Counter[tuple[str, str]] = Counter()

    async def keep_writing(self) -> None:
        """Look now and then whether a name is missing, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if time.monotonic() < self._not_before:
                continue
            try:
                for segmentation in await self._source.ask(segmentations):
                    await self.write(segmentation)
            except (ClickHouseError, UnavailableError, OSError) as error:
                log.warning("names: ClickHouse doesn't answer (%s)", type(error).__name__)

    async def write(self, segmentation: str) -> int:
        """Have the names written that a segmentation lacks, and store them; return how many."""
        evidence = await self._source.ask(segment_evidence, segmentation)
        told = told_of(evidence, self._naming.least_people)
        missing = await self._missing(segmentation, {one.segment for one in told})
        if not missing:
            return 0
        # All segments are told, so that a new name differs from those that are there.
        asked = question(self._naming.model, told, LANGUAGES, self._naming.least_people)
        try:
            body = await asyncio.to_thread(self._ask, msgspec.json.encode(asked))
            written = answer_of(body, told, LANGUAGES)
        except (NoVectorError, ValueError) as error:
            self._failed(error)
            return 0
        self.failures = 0
        self._tries.update((language, name.origin) for (_, language), name in missing.items())
        names = [
            WrittenName(language, name.origin, written[segment, language])
            for (segment, language), name in missing.items()
            if (segment, language) in written
        ]
        if names:
            await self._source.live.tell(save_written_names, segmentation, self._naming.model, names)
        log.info("names: %d of %d written by %s", len(names), len(missing), self._naming.model)
        return len(names)

    async def _missing(self, segmentation: str, told: Container[int]) -> dict[tuple[int, str], SegmentName]:
        """Return (segment, language) -> name, of those that aren't written and can be."""
        labels = await self._source.labels(segmentation)
        return {
            (segment, language): name
            for language, names in labels.names.items()
            for segment, name in names.items()
            if name.text and not name.made and segment in told and self._tries[language, name.origin] < _TRIES
        }

    def _ask(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "userprism"}
        if self._naming.api_key:
            headers["Authorization"] = f"Bearer {self._naming.api_key}"
        status, answer = self._fetcher.ask(f"{self._naming.url.rstrip('/')}/chat/completions", body, headers)
        if status != 200:
            msg = f"status {status}"
            raise ValueError(msg)
        return answer

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._not_before = time.monotonic() + self.delay_s
        where = urlsplit(self._naming.url).hostname
        why = f"{error.reason}: {error}" if isinstance(error, NoVectorError) else str(error)
        log.warning("names: %s: %s; again in %.0f s", where, why.splitlines()[0], self.delay_s)

    @property
    def delay_s(self) -> float:
        """How long to wait after so many failures in a row."""
        return min(_RETRY_S * 2.0 ** min(max(self.failures, 1) - 1, 16), _RETRY_MOST_S)
