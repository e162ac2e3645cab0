"""Contexts of events, read once each: devices, countries and traits repeat from event to event, byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.event import Context, Device, Location, decode_context
from streams.contract.tolerant import as_mapping, as_raw, as_text

__all__ = ["ContextTable", "Contexts"]

_KEPT_BYTES = 64_000_000
_MOST_TRAITS = 64
_LONGEST_TRAIT = 256
_OVERHEAD_BYTES = 300


class _Known(NamedTuple):
    """What one context says."""

    device: str | None
    country: str | None
    traits: str | None
    raw_traits: bytes


_NOTHING = _Known(None, None, None, b"")


@dataclass(frozen=True, slots=True)
class ContextTable:
    """The distinct contexts of a batch.

    Attributes
    ----------
    codes : ndarray of int32, shape (events,)
        Each event's row in the lists.
    devices, countries, traits : list of str or None
        What the contexts say; traits are flat JSON text {key: text}.
    """

    codes: npt.NDArray[np.int32]
    devices: list[str | None]
    countries: list[str | None]
    traits: list[str | None]


class Contexts:
    """Remembers, boundedly, what the bytes of a context mean."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {b"": _NOTHING}
        self._texts: dict[tuple[bytes, bytes], str | None] = {}
        self._bytes = 0

    def table(self, contexts: pa.DictionaryArray, own_traits: pa.DictionaryArray) -> ContextTable:
        """Read the contexts of a batch; traits that an event has of its own win over those of its context.

        Parameters
        ----------
        contexts, own_traits : pyarrow.DictionaryArray of binary
            As they are written, null where an event has none.
        """
        found = [*map(self._read, contexts.dictionary.to_pylist()), _NOTHING]
        codes = _codes(contexts, len(found) - 1)
        if len(own_traits.dictionary):
            own = own_traits.dictionary.to_pylist()
            rows = np.flatnonzero(_codes(own_traits, -1) >= 0)
            pairs, places = np.unique(
                np.stack([codes[rows], _codes(own_traits, -1)[rows]]), axis=1, return_inverse=True
            )
            codes[rows] = len(found) + places
            for context, traits in pairs.T.tolist():
                known = found[context]
                found.append(known._replace(traits=self._text(known.raw_traits, own[traits])))
        return ContextTable(
            codes,
            [known.device for known in found],
            [known.country for known in found],
            [known.traits for known in found],
        )

    def _read(self, raw: bytes) -> _Known:
        known = self._known.get(raw)
        if known is None:
            context = _context(raw)
            traits = bytes(context.traits)
            known = _Known(
                context.device.type if context.device else None,
                context.location.country if context.location else None,
                self._text(traits, b""),
                traits,
            )
            self._make_room(2 * len(raw))
            self._known[raw] = known
        return known

    def _text(self, first: bytes, then: bytes) -> str | None:
        """Return two objects of traits as one flat text, the second one winning; None if there is nothing in them."""
        if (first, then) not in self._texts:
            chosen = dict(list((_flat(first) | _flat(then)).items())[:_MOST_TRAITS])
            self._make_room(2 * (len(first) + len(then)))
            self._texts[first, then] = msgspec.json.encode(chosen).decode() if chosen else None
        return self._texts[first, then]

    def _make_room(self, needed: int) -> None:
        self._bytes += needed + _OVERHEAD_BYTES
        if self._bytes > _KEPT_BYTES:
            self._known = {b"": _NOTHING}
            self._texts.clear()
            self._bytes = 0


def _codes(encoded: pa.DictionaryArray, missing: int) -> npt.NDArray[np.int32]:
    """Return an array of one's own: Arrow's can't be written to."""
    codes: npt.NDArray[np.int32] = encoded.indices.fill_null(missing).to_numpy().astype(np.int32)
    return codes


def _context(raw: bytes) -> Context:
    """Read a context; a part that isn't what the spec says is mended like a property, or counts as absent."""
    try:
        return decode_context(raw) or Context()
    except msgspec.DecodeError:
        tree = _object(raw)
        device = as_text(as_mapping(tree.get("device")).get("type"))
        country = as_text(as_mapping(tree.get("location")).get("country"))
        return Context(Device(device or None), Location(country or None), as_raw(tree.get("traits")))


def _object(raw: bytes) -> dict[str, Any]:
    """Read an object; a text isn't one, of which the walk gives what is between its quotes: "[object Object]"."""
    try:
        return as_mapping(json.loads(raw))
    except ValueError:
        return {}


def _flat(raw: bytes) -> dict[str, str]:
    """Return the scalar entries of an object, and those one level below, as texts."""
    tree = _object(raw) if raw else {}
    flat: dict[str, str] = {}
    for key, value in tree.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for name, given in inner:
            scalar = str(given).lower() if isinstance(given, bool) else given
            if isinstance(scalar, str | int | float) and scalar != "":
                flat[f"{key}.{name}" if name else str(key)] = str(scalar)[:_LONGEST_TRAIT]
    return flat
