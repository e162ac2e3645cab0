"""Content vectors as the profiler needs them: all of one space from the table, in Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

__all__ = ["stored_vectors"]

_BATCH = 20_000


def stored_vectors(client: Client, space_id: str) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]]:
    """Yield (content ids (n,), vectors (n, dim) float32) of every piece of content that has a vector in this space."""
    with client.query_arrow_stream(
        "SELECT content_id, vector FROM content FINAL WHERE space_id = {space:String} AND status = 'ok'",
        parameters={"space": space_id},
        settings={"max_block_size": _BATCH},
    ) as batches:
        for batch in batches:
            if batch.num_rows:
                ids = batch.column("content_id").to_numpy()
                vectors = batch.column("vector").flatten().to_numpy().reshape(len(ids), -1)
                yield ids, vectors
