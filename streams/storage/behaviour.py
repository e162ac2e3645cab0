"""What people touched, to train on; and the models that were trained, for every profiler to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.profiles import Layout, PartitionState, Position

__all__ = [
    "ANOMALY",
    "BehaviourModel",
    "behaviour_models",
    "fetch_files",
    "latest_behaviour_model",
    "put_back",
    "save_behaviour_model",
    "take_away",
    "touched_content",
]


#: Kind of a model of what is unusual; others make vectors of baskets.
ANOMALY = "anomaly"
#: Of a row that takes a model of baskets away.
_NONE = "none"


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """One row of `behaviour_models`, without its files.

    Attributes
    ----------
    version : int
        Counts up.
    kind : str
        ``anomaly``, or that of a model of baskets.
    space_id : str
        Of its vectors; empty when the model before was taken away and none put in its place.
    figures : str
        JSON: what training measured.
    at : datetime, optional
        When, UTC.
    """

    version: int
    kind: str
    space_id: str
    figures: str = ""
    at: datetime | None = None

    @property
    def anomaly(self) -> bool:
        """Whether it says what is unusual; other models make vectors of baskets."""
        return self.kind == ANOMALY


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
    version = _next_version(client)
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


def behaviour_models(client: Client) -> list[BehaviourModel]:
    """Return every model that profilers were given, newest first; of each sort the first one counts."""
    rows = client.query(
        "SELECT version, kind, space_id, figures, at FROM behaviour_models FINAL ORDER BY version DESC",
        settings={"session_timezone": "UTC"},
    ).result_rows
    return [BehaviourModel(*row) for row in rows]


def put_back(client: Client, version: int) -> int:
    """Store an earlier model once more, under a version of its own; return that. Profilers take the latest one."""
    last = _next_version(client)
    client.command(
        "INSERT INTO behaviour_models (version, kind, space_id, files, figures) "
        "SELECT {last:UInt64}, kind, space_id, files, figures FROM behaviour_models FINAL WHERE version = {of:UInt64}",
        parameters={"last": last, "of": version},
    )
    return last


def take_away(client: Client, *, anomaly: bool) -> int:
    """Let no model count from now on; return the version that says so."""
    return save_behaviour_model(client, ANOMALY if anomaly else _NONE, "", {}, "{}")


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


def _next_version(client: Client) -> int:
    return int(client.query("SELECT max(version) FROM behaviour_models").result_rows[0][0]) + 1
