"""Prepare: a block's events as what features take, (event, key, value), computed once and shared by all features."""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from streams.contract import Block, Names
from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, UInt64s, mixed
from streams.profiles.features import Feature
from streams.profiles.strings import StringTable

__all__ = ["Prepared", "TraitReader"]

Floats = npt.NDArray[np.float64]

_HOUR_US = 3_600_000_000
_TEXTS_KEPT = 100_000
#: Traits are columns of dashboards, not documents: a longer value is cut.
_LONGEST_TRAIT = 256


class TraitReader:
    """JSON objects of traits as (key id, value id) pairs; people send the same object again, so it is kept."""

    def __init__(self, names: StringTable) -> None:
        self._names = names
        self._known: dict[str, tuple[list[int], list[int]]] = {}
        #: columns of a block that are traits as well, and the ids of their names
        self.columns = [(column, names.intern_one(column)) for column in ("device", "country")]

    def read(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids of keys and values."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _TEXTS_KEPT:
                self._known.clear()
            traits: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
            one = self._names.intern_one
            found = [one(key) for key in traits], [one(value[:_LONGEST_TRAIT]) for value in traits.values()]
            self._known[text] = found
        return found


class Prepared:
    """The events of a block that count: duplicates are left out.

    Parameters
    ----------
    block : Block
        As intake wrote it.
    kept : ndarray of int
        Indices of the events that count.
    rows : ndarray of int32
        Row of each kept event's person.
    """

    def __init__(self, block: Block, kept: Int64s, rows: Int32s, names: StringTable, traits: TraitReader) -> None:
        self._block = block
        self._kept = kept
        self._names = names
        self._traits = traits
        self.rows = rows
        self.at_us: Int64s = block.at_us[kept]
        self._folded: dict[str, npt.NDArray[np.bool_]] = {}
        self._named: dict[str, Int32s] = {}

    def select(self, feature: Feature) -> tuple[Int32s, Int32s, Floats]:
        """Return (index among the kept events, key, value) of everything that this feature takes in."""
        if feature.kind == "traits":
            return self._trait_pairs
        events, keys = self._crossed(feature) if feature.kind == "cross" else self._keyed(feature.by)
        keep = keys >= 0
        if feature.events:
            keep &= self._is_one_of(feature.events)[events]
        if not feature.of:
            values = np.ones(len(events))
        else:
            values = getattr(self._block, feature.of)[self._kept][events]
            # An order without an amount is still an order; a price that isn't there is no price.
            values, keep = (
                (np.nan_to_num(values), keep) if feature.kind == "rfm" else (values, keep & ~np.isnan(values))
            )
        return (events, keys, values) if keep.all() else (events[keep], keys[keep], values[keep])

    @cached_property
    def contents(self) -> tuple[Int32s, UInt64s]:
        """Return (index among the kept events, content id) of every touch."""
        events, items = self._items(self._block.content_offsets)
        return events, self._block.contents[items]

    def _keyed(self, by: tuple[str, ...]) -> tuple[Int32s, Int32s]:
        if not by:
            return self._every, np.zeros(len(self._kept), np.int32)
        key = by[0]
        if key == "hour":
            return self._every, (self.at_us // _HOUR_US % 24).astype(np.int32)
        if key == "weekday":  # 1 January 1970 was a Thursday; Monday is 0
            return self._every, ((self.at_us // (24 * _HOUR_US) + 3) % 7).astype(np.int32)
        if key == "category":
            return self._categories
        return self._every, self._ids(key)

    def _crossed(self, feature: Feature) -> tuple[Int32s, Int32s]:
        """Hash pairs of keys into buckets; a pair with a missing half doesn't count."""
        first, second = sorted(feature.by, key=lambda key: key != "category")
        events, left = self._keyed((first,))
        _, right = self._keyed((second,)) if second != "category" else (events, left)
        right = right[events] if second != "category" else right
        buckets = np.empty(len(left), np.int32)
        missing = (left < 0) | (right < 0)
        _buckets(self._stable(first, left), self._stable(second, right), missing, feature.slots, buckets)
        return events, buckets

    def _stable(self, key: str, keys: Int32s) -> UInt64s:
        """Return numbers for keys that are the same in every process."""
        if key in {"hour", "weekday"}:
            return keys.astype(np.uint64)
        return self._names.fixed[np.maximum(keys, 0)]

    @cached_property
    def _every(self) -> Int32s:
        return np.arange(len(self._kept), dtype=np.int32)

    @cached_property
    def _categories(self) -> tuple[Int32s, Int32s]:
        events, items = self._items(self._block.category_offsets)
        ids = self._names.intern(self._block.categories.values)
        return events, ids[self._block.categories.codes[items]]

    @cached_property
    def _trait_pairs(self) -> tuple[Int32s, Int32s, Floats]:
        events, keys, values = [], [], []
        for column, key in self._traits.columns:
            ids = self._ids(column)
            has = np.flatnonzero(ids >= 0).astype(np.int32)
            events.append(has)
            keys.append(np.full(len(has), key, np.int32))
            values.append(ids[has].astype(np.float64))
        codes = self._block.traits.codes[self._kept]
        texts = self._block.traits.values.to_pylist()
        used = np.unique(codes[codes >= 0])
        if len(used):
            read = {int(code): self._traits.read(texts[code]) for code in used}
            sizes = np.zeros(len(texts) + 1, np.int64)
            for code, (found, _) in read.items():
                sizes[code] = len(found)
            flat_keys = np.array([key for code in used.tolist() for key in read[code][0]], np.int32)
            flat_values = np.array([value for code in used.tolist() for value in read[code][1]], np.float64)
            starts = np.zeros(len(texts) + 1, np.int64)
            starts[used] = np.concatenate(([0], np.cumsum(sizes[used])[:-1]))
            has = np.flatnonzero(codes >= 0).astype(np.int32)
            of, items = _expanded(starts[codes[has]], sizes[codes[has]])
            events.append(has[of])
            keys.append(flat_keys[items])
            values.append(flat_values[items])
        return np.concatenate(events), np.concatenate(keys), np.concatenate(values)

    def _ids(self, column: str) -> Int32s:
        """Return the string id of each kept event, -1 where it has none."""
        ids = self._named.get(column)
        if ids is None:
            names: Names = getattr(self._block, column)
            of_names = np.append(self._names.intern(names.values), np.int32(-1))
            ids = self._named[column] = of_names[names.codes[self._kept]]
        return ids

    def _items(self, offsets: Int32s) -> tuple[Int32s, Int64s]:
        starts = offsets[:-1][self._kept].astype(np.int64)
        return _expanded(starts, offsets[1:][self._kept] - starts)

    def _is_one_of(self, events: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        key = "\0".join(events)
        if key not in self._folded:
            values = self._block.event.values.to_pylist()
            chosen = np.array([*(value.casefold() in events for value in values), False], bool)
            self._folded[key] = chosen[self._block.event.codes[self._kept]]
        return self._folded[key]


def _expanded(starts: Int64s, sizes: Int64s) -> tuple[Int32s, Int64s]:
    """Return (row, item) of every item `starts[row]:starts[row] + sizes[row]`."""
    rows = np.repeat(np.arange(len(starts), dtype=np.int32), sizes)
    first = np.cumsum(sizes) - sizes
    return rows, np.arange(len(rows)) - first[rows] + starts[rows]


@kernel
def _buckets(left: UInt64s, right: UInt64s, missing: npt.NDArray[np.bool_], buckets: int, out: Int32s) -> None:
    for i in range(len(left)):
        mix = mixed(left[i] ^ mixed(right[i] + np.uint64(1)))
        out[i] = -1 if missing[i] else np.int32(mix % np.uint64(buckets))
