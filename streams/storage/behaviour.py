"""What people touched, to train on; and the models that were trained, for every profiler to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.profiles import Layout, PartitionState, Position

__all__ = [
    "ANOMALY",
    "BehaviourModel",
    "fetch_files",
    "latest_behaviour_model",
    "save_behaviour_model",
    "touched_content",
]


#: Kind of a model of what is unusual; others make vectors of baskets.
ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """One row of `behaviour_models`, without its files."""

    version: int
    kind: str
    space_id: str


def touched_content(
    client: Client, layout: Layout
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Return (person (n,), content id (n,), weight (n,)) of what everybody touched last, as profilers weigh it.

    Parameters
    ----------
    client : Client
        Reads `profiles`.
    layout : Layout
        Any layout with as many touches: states of others are read into it. People are numbered, not named.
    """
    people, content, weights = [np.empty(0, np.int64)], [np.empty(0, np.uint64)], [np.empty(0, np.float64)]
    count = 0
    layouts = client.query("SELECT layout, descriptor FROM state_layouts FINAL").result_rows
    descriptors = {int(number): str(text) for number, text in layouts}
    with client.query_arrow_stream(
        "SELECT state, layout FROM profiles FINAL WHERE kind = 'person' AND notEmpty(touched)",
        settings={"max_block_size": 50_000, "output_format_arrow_string_as_string": 0},
    ) as batches:
        for batch in batches:
            state = PartitionState(layout, dedup_window_us=1, dedup_max_ids=1)
            names = pa.array(map(str, range(batch.num_rows)), pa.utf8())
            states = batch.column("state").cast(pa.binary())
            state.restore(names, states, batch.column("layout").to_numpy(), descriptors, Position())
            ids, much = state.touches(np.arange(batch.num_rows, dtype=np.int32))
            person, place = np.nonzero(much > 0)
            people.append(person + count)
            content.append(ids[person, place])
            weights.append(much[person, place])
            count += batch.num_rows
    return np.concatenate(people), np.concatenate(content), np.concatenate(weights)


def save_behaviour_model(client: Client, kind: str, space_id: str, files: Mapping[str, bytes], figures: str) -> int:
    """Store a trained model; return its version. Profilers take the latest one."""
    version = int(client.query("SELECT max(version) FROM behaviour_models").result_rows[0][0]) + 1
    client.insert(
        "behaviour_models",
        [[version, kind, space_id, dict(files), figures]],
        column_names=["version", "kind", "space_id", "files", "figures"],
    )
    return version


def latest_behaviour_model(client: Client, *, anomaly: bool = False) -> BehaviourModel | None:
    """Return the latest model of baskets, or with `anomaly` of what is unusual; None when none was trained."""
    rows = client.query(
        "SELECT version, kind, space_id FROM behaviour_models FINAL WHERE (kind = {anomaly:String}) = {wanted:Bool} "
        "ORDER BY version DESC LIMIT 1",
        parameters={"anomaly": ANOMALY, "wanted": anomaly},
    ).result_rows
    return BehaviourModel(*rows[0]) if rows else None


def fetch_files(client: Client, version: int, folder: Path) -> None:
    """Write a model's files to a folder, some in folders in it; a name that would lead elsewhere is passed over."""
    rows = client.query(
        "SELECT name, content FROM behaviour_models FINAL "
        "ARRAY JOIN mapKeys(files) AS name, mapValues(files) AS content WHERE version = {version:UInt64}",
        parameters={"version": version},
        column_formats={"content": "bytes"},
    ).result_rows
    for name, content in rows:
        path = folder / name
        if ".." not in path.parts and folder in path.parents:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
