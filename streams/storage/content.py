"""The table `content`: what the encoder writes, and the vectors the profiler starts from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.contract import Content

__all__ = ["known_content", "save_content", "stored_vectors"]

_BATCH = 20_000


def stored_vectors(
    client: Client, space_id: str, content_ids: npt.NDArray[np.uint64] | None = None
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]]:
    """Yield (ids (n,), vectors (n, dim) float32) of content that has a vector in this space: all, or the given."""
    with client.query_arrow_stream(
        "SELECT content_id, vector FROM content FINAL WHERE space_id = {space:String} AND status = 'ok' "
        "AND ({all:Bool} OR has({ids:Array(UInt64)}, content_id))",
        parameters={
            "space": space_id,
            "all": content_ids is None,
            "ids": [] if content_ids is None else content_ids.tolist(),
        },
        settings={"max_block_size": _BATCH},
    ) as batches:
        for batch in batches:
            if batch.num_rows:
                ids = batch.column("content_id").to_numpy()
                vectors = batch.column("vector").flatten().to_numpy().reshape(len(ids), -1)
                yield ids, vectors


def known_content(client: Client, space_id: str) -> dict[int, int]:
    """Return content id -> content hash of everything that was encoded (or found impossible) in this space."""
    rows = client.query_arrow(
        "SELECT content_id, content_hash FROM content FINAL WHERE space_id = {space:String}",
        parameters={"space": space_id},
    )
    return dict(zip(rows.column("content_id").to_pylist(), rows.column("content_hash").to_pylist(), strict=True))


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
