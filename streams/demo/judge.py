"""How well segments match the personas that were planted: the adjusted Rand index (Hubert and Arabie 1985)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client
from river.metrics import AdjustedRand

from encoders import load_manifest, load_projection
from online_models import KMeans
from streams.profiles import Layout, PartitionLabels, PartitionState, Segmentation, VectorTable
from streams.settings import SegmentationSettings, Settings
from streams.shop import Truth
from streams.storage.content import stored_vectors
from streams.storage.restore import restore_partition

__all__ = ["judge"]


def judge(settings: Settings, client: Client, truth: Truth) -> dict[str, float]:
    """Return `ari` of what ClickHouse holds, and the same index for counts only, content only, and an oracle.

    The two baselines run our own k-means on the restored state with one part of the vector switched off; the oracle
    runs it on the true tastes, which nobody can see: a ceiling.
    """
    rows = client.query("SELECT profile_id, segment FROM current_profiles").result_rows
    held = {str(person): int(segment) for person, segment in rows}
    people = [person for person in truth.personas if person in held]
    personas = [truth.personas[person] for person in people]
    states, table = _restored(settings, client)
    parts = settings.segmentation.parts
    without = {"counts": parts | {"interest": 0.0}, "content": {**dict.fromkeys(parts, 0.0), "interest": 1.0}}
    found = {
        f"ari_{name}": _segmented(settings, states, table, weights, truth.personas) for name, weights in without.items()
    }
    tastes = np.array([truth.tastes[person] for person in people])
    points = (tastes - tastes.mean(axis=0)) / np.maximum(tastes.std(axis=0), 1e-9)
    oracle = KMeans(settings.segmentation.n_clusters, seed=settings.segmentation.seed)
    oracle.refit(points, "oracle")
    found["ari_oracle"] = _ari(personas, oracle.predict_many(points).tolist())
    return {"ari": _ari(personas, [held[person] for person in people]), **found}


def _restored(settings: Settings, client: Client) -> tuple[list[PartitionState], VectorTable]:
    manifest = load_manifest(settings.encoder.text, settings.encoder.models_dir or None)
    projection = load_projection(manifest, settings.segmentation.interest_dim)
    table = VectorTable(settings.segmentation.interest_dim)
    for ids, vectors in stored_vectors(client, manifest.space_id):
        table.upsert(ids, projection.apply(vectors))
    layout = Layout.from_settings(settings.features, settings.segmentation)
    states = []
    for number in range(settings.kafka.partitions):
        stored = restore_partition(client, number)
        state = PartitionState(layout, dedup_window_us=1, dedup_max_ids=1)
        state.restore(stored.ids, stored.states, stored.layouts, stored.descriptors, stored.position)
        states.append(state)
    return states, table


def _segmented(
    settings: Settings, states: list[PartitionState], table: VectorTable, parts: dict[str, float],
    personas: Mapping[str, int],
) -> float:  # fmt: skip
    s = settings.segmentation
    chosen = SegmentationSettings(
        n_clusters=s.n_clusters, mode=s.mode, seed=s.seed, parts=parts, interest_dim=s.interest_dim
    )
    segmentation = Segmentation(chosen, table)
    people = [(state, PartitionLabels(chosen)) for state in states]
    segmentation.fit_if_due(people, drained=True)
    truth: list[int] = []
    labels: list[int] = []
    for state, held in people:
        rows = np.arange(state.people, dtype=np.int32)
        segmentation.relabel(state, held, rows)
        truth += [personas[person] for person in state.ids(rows).to_pylist()]
        labels += held.of(rows).tolist()
    return _ari(truth, labels)


def _ari(truth: Iterable[int], labels: Iterable[int]) -> float:
    metric: Any = AdjustedRand()  # type: ignore[no-untyped-call]
    for expected, found in zip(truth, labels, strict=True):
        metric.update(expected, found)
    return round(float(metric.get()), 4)
