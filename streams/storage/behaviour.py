"""What people touched, to train on; and the models that were trained, for every profiler to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

__all__ = ["BehaviourModel", "fetch_files", "latest_behaviour_model", "save_behaviour_model", "touched_content"]


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """One row of `behaviour_models`, without its files."""

    version: int
    kind: str
    space_id: str


def touched_content(client: Client) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return (person (n,), content id (n,)) of what everybody touched last; people are numbered, not named."""
    people, content = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    count = 0
    with client.query_arrow_stream(
        "SELECT touched FROM profiles FINAL WHERE kind = 'person' AND notEmpty(touched)",
        settings={"max_block_size": 50_000},
    ) as batches:
        for batch in batches:
            lists = batch.column("touched")
            sizes = np.diff(lists.offsets.to_numpy())
            people.append(np.repeat(np.arange(count, count + len(sizes), dtype=np.int64), sizes))
            content.append(lists.flatten().to_numpy().astype(np.uint64))
            count += len(sizes)
    return np.concatenate(people), np.concatenate(content)


def save_behaviour_model(client: Client, kind: str, space_id: str, files: Mapping[str, bytes], figures: str) -> int:
    """Store a trained model; return its version. Profilers take the latest one."""
    version = int(client.query("SELECT max(version) FROM behaviour_models").result_rows[0][0]) + 1
    client.insert(
        "behaviour_models",
        [[version, kind, space_id, dict(files), figures]],
        column_names=["version", "kind", "space_id", "files", "figures"],
    )
    return version


def latest_behaviour_model(client: Client) -> BehaviourModel | None:
    """Return the latest model; None when none was trained."""
    rows = client.query(
        "SELECT version, kind, space_id FROM behaviour_models FINAL ORDER BY version DESC LIMIT 1"
    ).result_rows
    return BehaviourModel(*rows[0]) if rows else None


def fetch_files(client: Client, version: int, folder: Path) -> None:
    """Write a model's files to a folder; a name that would lead elsewhere is passed over."""
    rows = client.query(
        "SELECT name, content FROM behaviour_models FINAL "
        "ARRAY JOIN mapKeys(files) AS name, mapValues(files) AS content WHERE version = {version:UInt64}",
        parameters={"version": version},
        column_formats={"content": "bytes"},
    ).result_rows
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in rows:
        if Path(name).name == name:
            (folder / name).write_bytes(content)
