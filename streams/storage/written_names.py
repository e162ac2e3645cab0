"""Names of segments that a language model wrote, by what each was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

__all__ = ["WrittenName", "save_written_names", "written_names"]

_KNOWN = """
SELECT language, origin, argMax(name, written_at) FROM written_names
WHERE segmentation = {segmentation:String} GROUP BY language, origin
"""


@dataclass(frozen=True, slots=True)
class WrittenName:
    """A name in one language, and what it was made of (`SegmentName.origin`)."""

    language: str
    origin: str
    name: str


def written_names(client: Client, segmentation: str) -> dict[tuple[str, str], str]:
    """Return the names of a segmentation by language and origin."""
    found = client.query(_KNOWN, parameters={"segmentation": segmentation}).result_rows
    return {(language, origin): name for language, origin, name in found}


def save_written_names(client: Client, segmentation: str, model: str, names: Iterable[WrittenName]) -> None:
    """Store names that a model has written; a newer one of an origin replaces the older."""
    now = datetime.now(UTC)
    client.insert(
        "written_names",
        [[segmentation, one.language, one.origin, one.name, model, now] for one in names],
        column_names=["segmentation", "language", "origin", "name", "model", "written_at"],
    )
