"""Finalize: what is shown of a person, and the numbers that k-means compares, as of the person's last event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.errors import ConfigurationError
from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, UInt64s, mixed
from streams.profiles.cells import DECAY, LATEST
from streams.profiles.columns import DenseRows, Entries, Gathered
from streams.profiles.features import Feature
from streams.profiles.layout import EVENTS, LAST, Layout
from streams.profiles.strings import StringTable

__all__ = ["CATEGORY_DIMENSIONS", "EVENT_DIMENSIONS", "Reader"]

Floats = npt.NDArray[np.float64]

#: Open-ended names enter the vector through this many hashed columns.
CATEGORY_DIMENSIONS = 24
EVENT_DIMENSIONS = 12

_NO_ROWS = np.empty(0, np.int32)
_NO_ENTRIES = Entries(1, _NO_ROWS).gather(_NO_ROWS)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """One number per (person, name): `row` counts within the rows asked for."""

    row: Int32s
    name: Int32s
    value: Floats


class Reader:
    """Reads one partition's state; holds no state of its own but the names of the map `features`.

    Everywhere `dense` and `entries` are the numbers of n people and of nobody else (`DenseRows.taken`,
    `Entries.gather`).
    """

    def __init__(self, layout: Layout, names: StringTable) -> None:
        self._layout = layout
        self._names = names
        self._labels = StringTable()
        self._label_of: dict[int, Int32s] = {}

    def traits(self, entries: Gathered) -> pa.Array:
        """Return map<utf8, utf8>: the newest value of each trait."""
        family = next((f for f, feature in enumerate(self._layout.sparse) if LATEST in feature.cells), -1)
        found = np.flatnonzero(entries.family == family)
        keys = self._names.take(entries.key[found])
        values = self._names.take(entries.ints[found, 0].astype(np.int32))
        return pa.MapArray.from_arrays(_offsets(entries.row[found], len(entries.starts) - 1), keys, values)

    def features(self, dense: DenseRows, entries: Gathered) -> pa.Array:
        """Return map<dictionary<utf8>, float64>; what is zero is left out.

        A dictionary: people share a few hundred names, which ClickHouse then needn't find again for each person.
        """
        parts = [part for feature in self._layout.features for part in self._shown(feature, dense, entries)]
        row = np.concatenate([part.row for part in parts]) if parts else np.empty(0, np.int32)
        order = np.argsort(row, kind="stable")
        name = np.concatenate([part.name for part in parts])[order] if parts else np.empty(0, np.int32)
        value = np.concatenate([part.value for part in parts])[order] if parts else np.empty(0)
        keys = pa.DictionaryArray.from_arrays(pa.array(name), self._labels.every())
        return pa.MapArray.from_arrays(_offsets(row[order], len(dense.ints)), keys, pa.array(value))

    def behaviour(self, dense: DenseRows, entries: Gathered) -> Floats:
        """Return (n, width): how much, when and in which way; NaN where a part has never been seen."""
        columns = [np.log1p(dense.ints[:, EVENTS : EVENTS + 1])]
        columns += [self._columns(feature, dense, entries) for feature in self._layout.features]
        return np.hstack(columns, dtype=np.float64)

    def behaviour_weights(self, only: Sequence[str] = ()) -> Floats:
        """Return the weight of each column of `behaviour`: the declared one, or 1 for the features named and 0 else.

        Raises
        ------
        ConfigurationError
            No feature of that name has columns.
        """
        names, declared = ["events"], [1.0]
        nobody = DenseRows(np.zeros(self._layout.row_words, np.int64), 0)
        for feature in self._layout.features:
            width = self._columns(feature, nobody, _NO_ENTRIES).shape[1]
            names += [feature.name] * width
            declared += [feature.weight] * width
        unknown = sorted(set(only) - set(names))
        if unknown:
            msg = f"segmentation columns {unknown} have no behaviour; there are {sorted(set(names))}"
            raise ConfigurationError(msg)
        return np.array([float(name in only) for name in names]) if only else np.array(declared)

    def categories(self, entries: Gathered) -> Floats:
        """Return (n, 24): square roots of the shares of categories, hashed; NaN for people without any.

        Square roots: the Euclidean distance between them is Hellinger's, which suits shares.
        """
        feature = next((f for f in self._layout.features if f.kind == "decayed_count" and f.by == ("category",)), None)
        if feature is None:
            return np.full((len(entries.starts) - 1, CATEGORY_DIMENSIONS), np.nan)
        return self._hashed_shares(feature, entries, CATEGORY_DIMENSIONS)

    def _shown(self, feature: Feature, dense: DenseRows, entries: Gathered) -> list[_Numbers]:
        """Return the entries of the map `features` that this feature gives."""
        last_us = dense.ints[:, LAST]
        if feature.kind in {"decayed_count", "decayed_sum", "count", "moments"} and feature.sparse:
            found = np.flatnonzero(entries.family == self._layout.place(feature)[0])
            row = entries.row[found]
            if feature.cells[0] == DECAY:
                column = len(feature.parameters)  # the longest half-life: what dashboards want to see
                passed = last_us[row] - entries.ints[found, 0]
                values = entries.floats[found, column] * np.exp(-feature.parameters[-1] * np.maximum(passed, 0))
            elif feature.kind == "moments":
                values = entries.floats[found, 1]
            else:
                values = entries.ints[found, 0].astype(np.float64)
            return [_Numbers(row, self._label(feature.name, entries.key[found]), values)]
        start = self._layout.place(feature)[1]
        ints, floats = dense.ints, dense.floats
        match feature.kind:
            case "rfm":
                seen = np.flatnonzero(ints[:, start + 1]).astype(np.int32)
                recency = (last_us[seen] - ints[seen, start]) / 86_400e6
                return [
                    self._one(f"{feature.name}/count", ints[:, start + 1]),
                    self._one(f"{feature.name}/amount", floats[:, start + 2]),
                    _Numbers(seen, np.full(len(seen), self._recency_label(feature), np.int32), recency),
                ]  # fmt: skip
            case "sessions":
                return [self._one(feature.name, ints[:, start])]
            case "moments":
                n = ints[:, start]
                deviation = np.sqrt(floats[:, start + 2] / np.maximum(n, 1))
                return [
                    self._one(f"{feature.name}/mean", floats[:, start + 1]),
                    self._one(f"{feature.name}/std", deviation),
                ]
            case "hours" | "weekdays":
                counts = ints[:, start : start + feature.slots]
                busiest = counts.argmax(axis=1) if len(counts) else np.empty(0)
                return [self._one(f"busiest_{feature.name.removesuffix('s')}", busiest)]
            case "decayed_count" | "decayed_sum" if not feature.by:
                passed = np.maximum(last_us - ints[:, start], 0)
                values = floats[:, start + len(feature.parameters)] * np.exp(-feature.parameters[-1] * passed)
                return [self._one(feature.name, values)]
            case "count" if not feature.by:
                return [self._one(feature.name, ints[:, start])]
        return []

    def _one(self, label: str, values: npt.NDArray[np.generic]) -> _Numbers:
        has = np.flatnonzero(values).astype(np.int32)
        return _Numbers(
            has, np.full(len(has), self._labels.intern_one(label), np.int32), values[has].astype(np.float64)
        )

    def _label(self, prefix: str, names: Int32s) -> Int32s:
        """Return label ids of ``prefix/name``; each is spelled out once."""
        known = self._label_of.setdefault(self._labels.intern_one(prefix), np.full(0, -1, np.int32))
        if len(known) < len(self._names):
            known = np.append(known, np.full(len(self._names) + 1024 - len(known), -1, np.int32))
            self._label_of[self._labels.intern_one(prefix)] = known
        new = np.unique(names[known[names] < 0])
        for name in new.tolist():
            known[name] = self._labels.intern_one(f"{prefix}/{self._names.text(name)}")
        return known[names]

    def _columns(self, feature: Feature, dense: DenseRows, entries: Gathered) -> Floats:
        """Return the columns (n, m) that this feature adds to behaviour; m is fixed by the declaration."""
        if feature.kind == "traits":
            return self._one_hot(feature, entries)
        if feature.by == ("category",):
            return np.empty((len(dense.ints), 0))  # the part `categories` shows them
        if feature.sparse:
            if feature.kind not in {"decayed_count", "count"}:
                return np.empty((len(dense.ints), 0))
            return self._hashed_shares(feature, entries, EVENT_DIMENSIONS)
        start = self._layout.place(feature)[1]
        end = start + feature.slots * feature.width
        ints, floats = dense.ints[:, start:end], dense.floats[:, start:end]
        events = np.maximum(dense.ints[:, EVENTS], 1)
        match feature.kind:
            case "rfm":
                return np.column_stack((np.log1p(ints[:, 1]), np.log1p(np.maximum(floats[:, 2], 0))))
            case "sessions":
                return np.column_stack((np.log1p(ints[:, 0]), np.log(events / np.maximum(ints[:, 0], 1))))
            case "moments":
                mean = np.where(ints[:, 0] > 0, np.log1p(np.maximum(floats[:, 1], 0)), np.nan)
                deviation = np.where(
                    ints[:, 0] > 1, np.log1p(np.sqrt(floats[:, 2] / np.maximum(ints[:, 0], 1))), np.nan
                )
                return np.column_stack((mean, deviation))
            case "hours" | "weekdays":
                shares: Floats = _circle(ints)
                return shares
            case "cross" | "count":
                roots: Floats = np.sqrt(ints / np.maximum(ints.sum(axis=1, keepdims=True), 1))
                return roots
        newest: Floats = np.log1p(np.maximum(floats[:, -1:], 0))
        return newest

    def _recency_label(self, feature: Feature) -> int:
        return self._labels.intern_one(f"{feature.name}/recency_days")

    def _hashed_shares(self, feature: Feature, entries: Gathered, dimensions: int) -> Floats:
        family = self._layout.place(feature)[0]
        column = len(feature.parameters) if feature.cells[0] == DECAY else 0
        rate = feature.parameters[-1] if feature.cells[0] == DECAY else 0.0
        shares = np.zeros((len(entries.starts) - 1, dimensions))
        _hash_shares(family, column, rate, entries, self._names.fixed, shares)
        return shares

    def _one_hot(self, feature: Feature, entries: Gathered) -> Floats:
        columns = np.zeros((len(entries.starts) - 1, feature.buckets))
        wanted = np.array([self._names.intern_one(key) for key in feature.keys], np.int32)
        family = self._layout.place(feature)[0]
        _hash_traits(family, wanted, entries, self._names.fixed, columns)
        return columns


def _offsets(row: Int32s, n: int) -> pa.Array:
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=n), out=offsets[1:])
    return pa.array(offsets)


def _circle(counts: Int64s) -> Floats:
    """Return the first two circular harmonics of counts on a clock: neighbours are near, and midnight is no border."""
    n, slots = counts.shape
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    angle = 2 * math.pi * np.arange(slots) / slots
    waves = np.column_stack([wave(angle * harmonic) for harmonic in (1, 2) for wave in (np.cos, np.sin)])
    harmonics: Floats = (counts / total) @ waves
    return harmonics if n else np.empty((0, 4))


@kernel
def _hash_shares(family: int, column: int, rate: float, entries: Gathered, fixed: UInt64s, shares: Floats) -> None:
    for i in range(len(shares)):
        total = 0.0
        newest = np.int64(0)
        begin, end = entries.starts[i], entries.starts[i + 1]
        for entry in range(begin, end):
            if rate > 0.0 and entries.family[entry] == family:
                newest = max(newest, entries.ints[entry, 0])
        for entry in range(begin, end):
            if entries.family[entry] == family:
                if rate > 0.0:
                    value = entries.floats[entry, column] * math.exp(-rate * (newest - entries.ints[entry, 0]))
                else:
                    value = float(entries.ints[entry, column])
                shares[i, mixed(fixed[entries.key[entry]]) % np.uint64(shares.shape[1])] += value
                total += value
        for j in range(shares.shape[1]):
            shares[i, j] = math.sqrt(shares[i, j] / total) if total > 0.0 else np.nan


@kernel
def _hash_traits(family: int, wanted: Int32s, entries: Gathered, fixed: UInt64s, columns: Floats) -> None:
    for i in range(len(columns)):
        for entry in range(entries.starts[i], entries.starts[i + 1]):
            if entries.family[entry] == family:
                for k in range(len(wanted)):
                    if wanted[k] == entries.key[entry]:
                        value = fixed[entries.ints[entry, 0]]
                        columns[i, mixed(fixed[wanted[k]] ^ mixed(value)) % np.uint64(columns.shape[1])] = 1.0
