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
from streams.profiles.columns import META_WORDS, DenseRows, Entries, EntryArrays, family_and_key
from streams.profiles.features import Feature
from streams.profiles.layout import EVENTS, LAST, Layout
from streams.profiles.strings import StringTable

__all__ = ["CATEGORY_DIMENSIONS", "EVENT_DIMENSIONS", "Reader"]

Floats = npt.NDArray[np.float64]

#: Open-ended names enter the vector through this many hashed columns.
CATEGORY_DIMENSIONS = 24
EVENT_DIMENSIONS = 12


@dataclass(frozen=True, slots=True)
class _Numbers:
    """One number per (person, name): `row` counts within the rows asked for."""

    row: Int32s
    name: Int32s
    value: Floats


class Reader:
    """Reads one partition's state; holds no state of its own but the names of the map `features`."""

    def __init__(self, layout: Layout, dense: DenseRows, entries: Entries, names: StringTable) -> None:
        self._layout = layout
        self._dense = dense
        self._entries = entries
        self._names = names
        self._labels = StringTable()
        self._label_of: dict[int, Int32s] = {}

    def traits(self, rows: Int32s) -> pa.Array:
        """Return map<utf8, utf8>: the newest value of each trait."""
        family = next((f for f, feature in enumerate(self._layout.sparse) if LATEST in feature.cells), -1)
        found = _entries_of(rows, family, self._entries.arrays())
        keys = self._names.take(found.name)
        values = self._names.take(self._entries.arrays().ints[found.entry, META_WORDS].astype(np.int32))
        return pa.MapArray.from_arrays(_offsets(found.row, len(rows)), keys, values)

    def features(self, rows: Int32s) -> pa.Array:
        """Return map<dictionary<utf8>, float64>; what is zero is left out.

        A dictionary: people share a few hundred names, which ClickHouse then needn't find again for each person.
        """
        parts = [part for feature in self._layout.features for part in self._shown(feature, rows)]
        row = np.concatenate([part.row for part in parts]) if parts else np.empty(0, np.int32)
        order = np.argsort(row, kind="stable")
        name = np.concatenate([part.name for part in parts])[order] if parts else np.empty(0, np.int32)
        value = np.concatenate([part.value for part in parts])[order] if parts else np.empty(0)
        keys = pa.DictionaryArray.from_arrays(pa.array(name), self._labels.every())
        return pa.MapArray.from_arrays(_offsets(row[order], len(rows)), keys, pa.array(value))

    def behaviour(self, rows: Int32s) -> Floats:
        """Return (n, width): how much, when and in which way; NaN where a part has never been seen."""
        columns = [np.log1p(self._dense.ints[rows, EVENTS : EVENTS + 1])]
        columns += [self._columns(feature, rows) for feature in self._layout.features]
        return np.hstack(columns, dtype=np.float64)

    def behaviour_weights(self, only: Sequence[str] = ()) -> Floats:
        """Return the weight of each column of `behaviour`: the declared one, or 1 for the features named and 0 else.

        Raises
        ------
        ConfigurationError
            No feature of that name has columns.
        """
        nobody = np.empty(0, np.int32)
        names, declared = ["events"], [1.0]
        for feature in self._layout.features:
            width = self._columns(feature, nobody).shape[1]
            names += [feature.name] * width
            declared += [feature.weight] * width
        unknown = sorted(set(only) - set(names))
        if unknown:
            msg = f"segmentation columns {unknown} have no behaviour; there are {sorted(set(names))}"
            raise ConfigurationError(msg)
        return np.array([float(name in only) for name in names]) if only else np.array(declared)

    def categories(self, rows: Int32s) -> Floats:
        """Return (n, 24): square roots of the shares of categories, hashed; NaN for people without any.

        Square roots: the Euclidean distance between them is Hellinger's, which suits shares.
        """
        feature = next((f for f in self._layout.features if f.kind == "decayed_count" and f.by == ("category",)), None)
        if feature is None:
            return np.full((len(rows), CATEGORY_DIMENSIONS), np.nan)
        return self._hashed_shares(feature, rows, CATEGORY_DIMENSIONS)

    def _shown(self, feature: Feature, rows: Int32s) -> list[_Numbers]:
        """Return the entries of the map `features` that this feature gives."""
        last_us = self._dense.ints[rows, LAST]
        if feature.kind in {"decayed_count", "decayed_sum", "count", "moments"} and feature.sparse:
            table = self._entries.arrays()
            found = _entries_of(rows, self._layout.place(feature)[0], table)
            if feature.cells[0] == DECAY:
                column = len(feature.parameters)  # the longest half-life: what dashboards want to see
                passed = last_us[found.row] - table.ints[found.entry, META_WORDS]
                values = table.floats[found.entry, META_WORDS + column]
                values = values * np.exp(-feature.parameters[-1] * np.maximum(passed, 0))
            elif feature.kind == "moments":
                values = table.floats[found.entry, META_WORDS + 1]
            else:
                values = table.ints[found.entry, META_WORDS].astype(np.float64)
            return [_Numbers(found.row, self._label(feature.name, found.name), values)]
        start = self._layout.place(feature)[1]
        ints, floats = self._dense.ints, self._dense.floats
        match feature.kind:
            case "rfm":
                seen = np.flatnonzero(ints[rows, start + 1]).astype(np.int32)
                recency = (last_us[seen] - ints[rows[seen], start]) / 86_400e6
                return [
                    self._one(f"{feature.name}/count", rows, ints[rows, start + 1]),
                    self._one(f"{feature.name}/amount", rows, floats[rows, start + 2]),
                    _Numbers(seen, np.full(len(seen), self._recency_label(feature), np.int32), recency),
                ]  # fmt: skip
            case "sessions":
                return [self._one(feature.name, rows, ints[rows, start])]
            case "moments":
                n = ints[rows, start]
                deviation = np.sqrt(floats[rows, start + 2] / np.maximum(n, 1))
                return [
                    self._one(f"{feature.name}/mean", rows, floats[rows, start + 1]),
                    self._one(f"{feature.name}/std", rows, deviation),
                ]
            case "hours" | "weekdays":
                counts = ints[rows, start : start + feature.slots]
                busiest = counts.argmax(axis=1) if len(rows) else np.empty(0)
                return [self._one(f"busiest_{feature.name.removesuffix('s')}", rows, busiest)]
            case "decayed_count" | "decayed_sum" if not feature.by:
                passed = np.maximum(last_us - ints[rows, start], 0)
                values = floats[rows, start + len(feature.parameters)] * np.exp(-feature.parameters[-1] * passed)
                return [self._one(feature.name, rows, values)]
            case "count" if not feature.by:
                return [self._one(feature.name, rows, ints[rows, start])]
        return []

    def _one(self, label: str, rows: Int32s, values: npt.NDArray[np.generic]) -> _Numbers:
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

    def _columns(self, feature: Feature, rows: Int32s) -> Floats:
        """Return the columns (n, m) that this feature adds to behaviour; m is fixed by the declaration."""
        if feature.kind == "traits":
            return self._one_hot(feature, rows)
        if feature.by == ("category",):
            return np.empty((len(rows), 0))  # the part `categories` shows them
        if feature.sparse:
            if feature.kind not in {"decayed_count", "count"}:
                return np.empty((len(rows), 0))
            return self._hashed_shares(feature, rows, EVENT_DIMENSIONS)
        start = self._layout.place(feature)[1]
        end = start + feature.slots * feature.width
        ints, floats = self._dense.ints[rows, start:end], self._dense.floats[rows, start:end]
        events = np.maximum(self._dense.ints[rows, EVENTS], 1)
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

    def _hashed_shares(self, feature: Feature, rows: Int32s, dimensions: int) -> Floats:
        family = self._layout.place(feature)[0]
        column = META_WORDS + (len(feature.parameters) if feature.cells[0] == DECAY else 0)
        rate = feature.parameters[-1] if feature.cells[0] == DECAY else 0.0
        shares = np.zeros((len(rows), dimensions))
        _hash_shares(rows, family, column, rate, self._entries.arrays(), self._names.fixed, shares)
        return shares

    def _one_hot(self, feature: Feature, rows: Int32s) -> Floats:
        columns = np.zeros((len(rows), feature.buckets))
        wanted = np.array([self._names.intern_one(key) for key in feature.keys], np.int32)
        family = self._layout.place(feature)[0]
        _hash_traits(rows, family, wanted, self._entries.arrays(), self._names.fixed, columns)
        return columns


@dataclass(frozen=True, slots=True)
class _Found:
    row: Int32s
    name: Int32s
    entry: Int64s


def _entries_of(rows: Int32s, family: int, table: EntryArrays) -> _Found:
    most = int(table.held[rows, family].sum()) if family >= 0 else 0
    row, name, entry = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int64)
    n = _collect(rows, family, table, row, name, entry) if most else 0
    return _Found(row[:n], name[:n], entry[:n])


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
def _collect(rows: Int32s, family: int, table: EntryArrays, row: Int32s, name: Int32s, at: Int64s) -> int:
    n = 0
    for i in range(len(rows)):
        entry = table.head[rows[i]]
        while entry >= 0:
            of, key = family_and_key(table.ints[entry, 0])
            if of == family:
                row[n] = i
                name[n] = key
                at[n] = entry
                n += 1
            entry = table.ints[entry, 1]
    return n


@kernel
def _hash_shares(
    rows: Int32s, family: int, column: int, rate: float, table: EntryArrays, fixed: UInt64s, shares: Floats
) -> None:
    for i in range(len(rows)):
        total = 0.0
        newest = np.int64(0)
        entry = table.head[rows[i]]
        while entry >= 0 and rate > 0.0:
            of, key = family_and_key(table.ints[entry, 0])
            if of == family:
                newest = max(newest, table.ints[entry, META_WORDS])
            entry = table.ints[entry, 1]
        entry = table.head[rows[i]]
        while entry >= 0:
            of, key = family_and_key(table.ints[entry, 0])
            if of == family:
                if rate > 0.0:
                    value = table.floats[entry, column] * math.exp(-rate * (newest - table.ints[entry, META_WORDS]))
                else:
                    value = float(table.ints[entry, column])
                shares[i, mixed(fixed[key]) % np.uint64(shares.shape[1])] += value
                total += value
            entry = table.ints[entry, 1]
        for j in range(shares.shape[1]):
            shares[i, j] = math.sqrt(shares[i, j] / total) if total > 0.0 else np.nan


@kernel
def _hash_traits(
    rows: Int32s, family: int, wanted: Int32s, table: EntryArrays, fixed: UInt64s, columns: Floats
) -> None:
    for i in range(len(rows)):
        entry = table.head[rows[i]]
        while entry >= 0:
            of, key = family_and_key(table.ints[entry, 0])
            if of == family:
                for k in range(len(wanted)):
                    if wanted[k] == key:
                        value = fixed[table.ints[entry, META_WORDS]]
                        columns[i, mixed(fixed[key] ^ mixed(value)) % np.uint64(columns.shape[1])] = 1.0
            entry = table.ints[entry, 1]
