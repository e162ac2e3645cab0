"""What all pages read from: names of segments follow their evidence."""

from __future__ import annotations

import asyncio
import copy

from streams.settings import Settings
from streams.web.live import Live
from streams.web.naming import Evidence
from streams.web.pages.source import Source


def test_names_are_made_anew_when_there_is_other_evidence_and_only_then() -> None:
    camping, kitchen = Evidence({"camping stove": 20.0}), Evidence({"rice cooker": 20.0})

    async def work() -> None:
        source = Source(Live(Settings()), Settings())
        try:
            first = await source._names("interest", {1: camping})
            again = await source._names("interest", copy.deepcopy({1: camping}))
            other = await source._names("interest", {1: camping, 2: kitchen})
        finally:
            source.live.close()
        assert again is first
        assert set(first["en"]) == {1}
        assert "rice cooker" in other["en"][2].text.lower()

    asyncio.run(work())
