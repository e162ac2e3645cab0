"""The table `content`: what the encoder writes, and the vectors the profiler starts from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.contract import Content

__all__ = ["SAID", "content_of", "said_before", "save_content", "stored_vectors"]

_BATCH = 20_000
#: All that is known of a piece of content, by its latest row in any space; `content_of` reads it.
SAID = (
    "argMax(tuple(kind, item, title, text, categories, brand, url, image_url, video_url, price, content_hash), "
    "updated_at)"
)
_FIELDS = (
    "kind", "item", "title", "text", "categories", "brand", "url", "image_url", "video_url", "price", "content_hash"
)  # fmt: skip


def stored_vectors(
    client: Client, space_id: str, content_ids: npt.NDArray[np.uint64] | None = None
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]]:
    """Yield (ids (n,), vectors (n, dim) float32) of content that has a vector in this space: all, or the given."""
    query = "SELECT content_id, vector FROM content FINAL WHERE space_id = {space:String} AND status = 'ok'"
    parameters: dict[str, Any] = {"space": space_id}
    if content_ids is not None:
        query += " AND content_id IN {ids:Array(UInt64)}"
        parameters["ids"] = content_ids.tolist()
    with client.query_arrow_stream(query, parameters=parameters, settings={"max_block_size": _BATCH}) as batches:
        for batch in batches:
            if batch.num_rows:
                ids = batch.column("content_id").to_numpy()
                vectors = batch.column("vector").flatten().to_numpy().reshape(len(ids), -1)
                yield ids, vectors


def said_before(client: Client, space_id: str, content_ids: Sequence[int]) -> dict[int, tuple[Content, bool]]:
    """Return content id -> (what is known of it, whether that was encoded or found impossible in this space)."""
    rows = client.query(
        f"SELECT content_id, {SAID}, "  # noqa: S608 - a text of this file
        "groupArrayIf(content_hash, space_id = {space:String}) "
        "FROM content FINAL WHERE content_id IN {ids:Array(UInt64)} GROUP BY content_id",
        parameters={"space": space_id, "ids": list(content_ids)},
    ).result_rows
    return {content_id: (content_of(content_id, said), said[-1] in read) for content_id, said, read in rows}


def content_of(content_id: int, said: Sequence[Any]) -> Content:
    """Return a piece of content from `SAID`."""
    fields = dict(zip(_FIELDS, said, strict=True))
    return Content(content_id=content_id, **(fields | {"price": fields["price"] or None}))


def save_content(
    client: Client,
    contents: Sequence[Content],
    vectors: npt.NDArray[np.float32],
    status: Sequence[str],
    *,
    encoder: str,
    space_id: str,
) -> None:
    """Insert content with its vectors (n, dim) as one block; the vector is empty where `status` isn't ``ok``."""
    names = pa.utf8()
    table = pa.table(
        {
            "content_id": pa.array([c.content_id for c in contents], pa.uint64()),
            "kind": pa.array([c.kind for c in contents], names),
            "item": pa.array([c.item for c in contents], names),
            "title": pa.array([c.title for c in contents], names),
            "text": pa.array([c.text for c in contents], names),
            "categories": pa.array([c.categories for c in contents], pa.list_(names)),
            "brand": pa.array([c.brand for c in contents], names),
            "url": pa.array([c.url for c in contents], names),
            "image_url": pa.array([c.image_url for c in contents], names),
            "video_url": pa.array([c.video_url for c in contents], names),
            "price": pa.array([c.price or 0.0 for c in contents], pa.float64()),
            "content_hash": pa.array([c.content_hash for c in contents], pa.uint64()),
            "encoder": pa.array([encoder] * len(contents), names),
            "space_id": pa.array([space_id] * len(contents), names),
            "status": pa.array(list(status), names),
            "vector": pa.array(
                [vector if good == "ok" else [] for vector, good in zip(vectors, status, strict=True)],
                pa.list_(pa.float32()),
            ),
            "updated_at": pa.array([time.time_ns() // 1_000_000] * len(contents), pa.timestamp("ms", tz="UTC")),
        }
    )
    client.insert_arrow("content", table)
