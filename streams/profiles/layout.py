"""Where each feature's words lie, under a version: states written under another layout are read into this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from streams.errors import StateError
from streams.profiles._kernel import Int32s
from streams.profiles.cells import LATEST, cell_width
from streams.profiles.columns import META_WORDS
from streams.profiles.features import Feature, declared, microseconds
from streams.settings import FeatureSettings, SegmentationSettings

__all__ = ["BASE_WORDS", "EVENTS", "FIRST", "LAST", "Cell", "CellArrays", "Layout", "StoredLayout", "StoredMaps"]

#: The first words of everybody's dense row.
EVENTS, FIRST, LAST = 0, 1, 2
BASE_WORDS = 3

#: Names one person may have under one feature; more are counted under "(other)".
_NAMES_A_PERSON = 256


class StoredLayout(msgspec.Struct, frozen=True):
    """What a descriptor says: (feature, signature, words) in order of the row, and the same for the families."""

    version: int
    dense: list[tuple[str, str, int]]
    families: list[tuple[str, str, int]]


class Cell(NamedTuple):
    """What a kernel takes of a cell: its kind, family (-1: the dense row), first word and parameters.

    `width` is how many words on the same cell lies under the feature's next key.
    """

    kind: int
    family: int
    start: int
    width: int
    parameters: npt.NDArray[np.float64]


class CellArrays(NamedTuple):
    """The cells of all features as kernels take them, those of the dense row first, then family by family.

    Attributes
    ----------
    firsts : ndarray of int32, shape (families + 2,)
        Those of the dense row are `firsts[0]:firsts[1]`, those of family f `firsts[f + 1]:firsts[f + 2]`.
    kinds, starts, sizes : ndarray of int32, shape (cells,)
        Kind, first word and number of words.
    slots, widths : ndarray of int32, shape (cells,)
        How often a cell of the dense row is there, and how many words on the next one lies.
    counts : ndarray of int32, shape (cells,)
    parameters : ndarray of float64, shape (cells, most)
        `parameters[c, :counts[c]]` are cell c's.
    """

    firsts: Int32s
    kinds: Int32s
    starts: Int32s
    sizes: Int32s
    slots: Int32s
    widths: Int32s
    counts: Int32s
    parameters: npt.NDArray[np.float64]


class StoredMaps(NamedTuple):
    """How a state that was written under another layout is read into this one.

    Attributes
    ----------
    words : ndarray of int32
        For each word of the stored row its place in ours; -1: that feature is gone.
    families : ndarray of int32
        For each stored family ours; -1: gone.
    widths : ndarray of int32
        Words of an entry of each stored family.
    texts : ndarray of bool
        Whether its first word is a text.
    """

    words: Int32s
    families: Int32s
    widths: Int32s
    texts: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """The features and where they lie.

    Attributes
    ----------
    layout_id : int
        64-bit hash of the descriptor.
    starts : tuple of int
        For a dense feature the first word of its first key; -1 for a sparse one.
    families : tuple of int
        For a sparse feature its family; -1 for a dense one.
    """

    features: tuple[Feature, ...]
    starts: tuple[int, ...]
    families: tuple[int, ...]
    row_words: int
    touches: int
    touch_rate: float
    descriptor: str
    layout_id: int

    @classmethod
    def from_settings(cls, features: Sequence[FeatureSettings], segmentation: SegmentationSettings) -> Layout:
        """Lay out the declared features in their order."""
        chosen = declared(features)
        starts, families, word, family = [], [], BASE_WORDS, 0
        for feature in chosen:
            starts.append(-1 if feature.sparse else word)
            families.append(family if feature.sparse else -1)
            word += 0 if feature.sparse else feature.slots * feature.width
            family += feature.sparse
        stored = StoredLayout(
            version=1,
            dense=[(f.name, f.signature, f.slots * f.width) for f in chosen if not f.sparse],
            families=[(f.name, f.signature, f.width) for f in chosen if f.sparse],
        )
        descriptor = msgspec.json.encode(stored)
        half_life_us = microseconds(segmentation.touch_half_life, "segmentation.touch_half_life")
        return cls(
            features=chosen,
            starts=tuple(starts),
            families=tuple(families),
            row_words=word,
            touches=segmentation.touches,
            touch_rate=float(np.log(2) / half_life_us),
            descriptor=descriptor.decode(),
            layout_id=xxhash.xxh3_64_intdigest(descriptor),
        )

    @property
    def sparse(self) -> tuple[Feature, ...]:
        """The features with entries, in order of their families."""
        return tuple(feature for feature in self.features if feature.sparse)

    @property
    def entry_width(self) -> int:
        """Words of the widest entry."""
        return max((feature.width for feature in self.sparse), default=1)

    @property
    def bounds(self) -> Int32s:
        """Names one person may have in each family."""
        return np.full(max(len(self.sparse), 1), _NAMES_A_PERSON, np.int32)

    @property
    def family_widths(self) -> Int32s:
        """Words of an entry of each family."""
        return np.array([feature.width for feature in self.sparse] or [0], np.int32)

    @property
    def family_texts(self) -> npt.NDArray[np.bool_]:
        """Whether the first word of an entry is the id of a string (a trait's value)."""
        return np.array([LATEST in feature.cells for feature in self.sparse] or [False], np.bool_)

    def maps_from(self, descriptor: str) -> StoredMaps:
        """Return how a state written under `descriptor` is read into this layout.

        Raises
        ------
        StateError
            A descriptor of a version this userprism doesn't know.
        """
        if descriptor not in self._maps:
            self._maps[descriptor] = self._maps_from(descriptor)
        return self._maps[descriptor]

    @cached_property
    def _maps(self) -> dict[str, StoredMaps]:
        return {}

    def _maps_from(self, descriptor: str) -> StoredMaps:
        stored = msgspec.json.decode(descriptor, type=StoredLayout)
        if stored.version != 1:
            msg = f"a state layout of version {stored.version}; this userprism reads version 1. Update userprism"
            raise StateError(msg)
        words = list(range(BASE_WORDS))
        ours = {(f.name, f.signature): start for f, start in zip(self.features, self.starts, strict=True)}
        for name, signature, width in stored.dense:
            start = ours.get((name, signature), -1)
            words += range(start, start + width) if start >= 0 else [-1] * width
        places = {(f.name, f.signature): family for f, family in zip(self.features, self.families, strict=True)}
        families = [places.get((name, signature), -1) for name, signature, _ in stored.families]
        return StoredMaps(
            np.array(words, np.int32),
            np.array(families or [-1], np.int32),
            np.array([width for _, _, width in stored.families] or [0], np.int32),
            np.array([signature.startswith("traits|") for _, signature, _ in stored.families] or [False], np.bool_),
        )

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of each feature, where they lie under its first key."""
        return tuple(tuple(self._cells_of(feature)) for feature in self.features)

    def _cells_of(self, feature: Feature) -> Iterator[Cell]:
        family, at = self.place(feature)
        parameters = np.array(feature.parameters or (0.0,))
        for kind in feature.cells:
            yield Cell(kind, family, at, feature.width, parameters)
            at += cell_width(kind, len(feature.parameters))

    @cached_property
    def cell_arrays(self) -> CellArrays:
        """The cells of all features for kernels that take everything of a person at once."""
        cells = [
            (cell, 1 if feature.sparse else feature.slots, cell_width(cell.kind, len(feature.parameters)))
            for feature, of_it in zip(self.features, self.cells, strict=True)
            for cell in of_it
        ]
        cells.sort(key=lambda one: one[0].family)
        facts = [(one.kind, one.start, size, slots, one.width, len(one.parameters)) for one, slots, size in cells]
        kinds, starts, sizes, slots, widths, counts = np.array(facts, np.int32).reshape(-1, 6).T.copy()
        parameters = np.zeros((len(cells), max(counts, default=0)))
        for place, (cell, _, _) in enumerate(cells):
            parameters[place, : len(cell.parameters)] = cell.parameters
        families = [cell.family for cell, _, _ in cells]
        firsts = np.searchsorted(families, np.arange(-1, len(self.sparse) + 1)).astype(np.int32)
        return CellArrays(firsts, kinds, starts, sizes, slots, widths, counts, parameters)

    def place(self, feature: Feature) -> tuple[int, int]:
        """Return (family, first word): family -1 for the dense row, else the word counts from the entry's start."""
        index = self.features.index(feature)
        return (self.families[index], META_WORDS) if feature.sparse else (-1, self.starts[index])
