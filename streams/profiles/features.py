"""What is kept about a person: features, each a choice of key, value and cell, declared in `userprism.toml`.

::

    [[features]]
    name = "category"              # appears in the map `features` as category/NAME
    kind = "decayed_count"
    by = ["category"]
    half_lives = ["1d", "14d"]

A declaration that changes is another feature: its state starts empty, all others are kept (`Layout`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from streams.errors import ConfigurationError
from streams.profiles.cells import COUNT, DECAY, LATEST, MOMENTS, NEWEST, SESSIONS, SUM, cell_width
from streams.settings import FeatureSettings

__all__ = ["COLUMNS", "DEFAULT_FEATURES", "KINDS", "NAMES", "Feature", "declared", "microseconds"]

#: Keys with names that producers choose; each has entries of its own per person.
NAMES = ("event", "category", "device", "country", "channel", "currency")
_CALENDAR = {"hour": 24, "weekday": 7}
#: Columns of numbers.
COLUMNS = ("price", "quantity", "revenue")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

KINDS = (
    "count", "decayed_count", "decayed_sum", "moments", "rfm", "sessions", "hours", "weekdays", "cross", "traits",
)  # fmt: skip


def _declare(name: str, kind: str, **parameters: object) -> FeatureSettings:
    return FeatureSettings(name=name, kind=kind, **parameters)  # type: ignore[arg-type]


#: What is kept when the configuration declares nothing.
DEFAULT_FEATURES: tuple[FeatureSettings, ...] = (
    _declare("event", "decayed_count", by=["event"], half_lives=["1d", "14d"]),
    _declare("category", "decayed_count", by=["category"], half_lives=["1d", "14d"]),
    _declare("event_revenue", "decayed_sum", by=["event"], of="revenue", half_lives=["1d", "14d"]),
    _declare("category_price", "decayed_sum", by=["category"], of="price", half_lives=["1d", "14d"]),
    _declare("orders", "rfm", of="revenue", events=["Order Completed"]),
    _declare("sessions", "sessions", gap="30m"),
    _declare("price", "moments", of="price"),
    _declare("hours", "hours"),
    _declare("weekdays", "weekdays"),
    _declare("category_device", "cross", by=["category", "device"], buckets=16, options={"weight": 0.0}),
    _declare("traits", "traits", keys=["gender", "device", "country", "plan"], buckets=8, options={"weight": 0.0}),
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared feature.

    Attributes
    ----------
    cells : tuple of int
        Kinds of the cells that belong together under one key (RFM has three).
    by : tuple of str
        Keys; empty for one number a person.
    slots : int
        Number of fixed keys (hours, weekdays, hashed buckets); 0 where keys are names, 1 where there is no key.
    parameters : tuple of float
        Rates in 1/us (DECAY) or the gap in us (SESSIONS).
    """

    name: str
    kind: str
    cells: tuple[int, ...]
    by: tuple[str, ...]
    of: str
    events: tuple[str, ...]
    slots: int
    parameters: tuple[float, ...]
    half_lives: tuple[str, ...]
    keys: tuple[str, ...]
    buckets: int
    weight: float

    @property
    def sparse(self) -> bool:
        """Whether keys are names that come with the events."""
        return self.slots == 0

    @property
    def width(self) -> int:
        """Words under one key."""
        return sum(cell_width(cell, len(self.parameters)) for cell in self.cells)

    @property
    def signature(self) -> str:
        """What the words mean; states written under another signature are not read into this feature."""
        parts = (self.kind, ",".join(self.by), self.of, ",".join(self.events), ",".join(self.half_lives))
        return "|".join((*parts, str(self.slots), ",".join(f"{p:.17g}" for p in self.parameters)))


def microseconds(text: str, where: str) -> int:
    """Return a duration such as ``30m`` or ``14d`` in microseconds.

    Raises
    ------
    ConfigurationError
        Not a number with one of the units s, m, h, d, w.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if not found or float(found[1]) <= 0:
        msg = f"{where} = {text!r} is no duration; write a number and one of s, m, h, d, w, such as '30m' or '14d'"
        raise ConfigurationError(msg)
    return round(float(found[1]) * _UNITS[found[2]] * 1_000_000)


def declared(settings: Sequence[FeatureSettings]) -> tuple[Feature, ...]:
    """Return the features that settings declare, the default ones if none.

    Raises
    ------
    ConfigurationError
        A kind, key or column that doesn't exist, a duration that can't be read, or a name used twice.
    """
    features = tuple(_feature(entry) for entry in settings or DEFAULT_FEATURES)
    names = [feature.name for feature in features]
    for name in names:
        if names.count(name) > 1:
            msg = f"features: {name!r} is declared {names.count(name)} times; give each a name of its own"
            raise ConfigurationError(msg)
    return features


def _feature(entry: FeatureSettings) -> Feature:
    where = f"features[{entry.name!r}]"
    _one_of(entry.kind, KINDS, f"{where}.kind")
    cells, slots, by = _shape(entry, where)
    parameters: tuple[float, ...] = ()
    half_lives = tuple(entry.half_lives) or (("1d", "14d") if DECAY in cells else ())
    if DECAY in cells:
        parameters = tuple(math.log(2) / microseconds(text, f"{where}.half_lives") for text in half_lives)
    elif SESSIONS in cells:
        parameters = (float(microseconds(entry.gap or "30m", f"{where}.gap")),)
    if SUM in cells or MOMENTS in cells or entry.kind == "decayed_sum":
        _one_of(entry.of, COLUMNS, f"{where}.of")
    return Feature(
        name=entry.name,
        kind=entry.kind,
        cells=cells,
        by=by,
        of=entry.of,
        events=tuple(name.casefold() for name in entry.events),
        slots=slots,
        parameters=parameters,
        half_lives=half_lives if DECAY in cells else (),
        keys=tuple(entry.keys),
        buckets=entry.buckets or 8,
        weight=float(entry.options.get("weight", 1.0)),
    )


def _shape(entry: FeatureSettings, where: str) -> tuple[tuple[int, ...], int, tuple[str, ...]]:
    """Return (cells, slots, by)."""
    match entry.kind:
        case "hours":
            return (COUNT,), 24, ("hour",)
        case "weekdays":
            return (COUNT,), 7, ("weekday",)
        case "sessions":
            return (SESSIONS,), 1, ()
        case "rfm":
            return (NEWEST, COUNT, SUM), 1, ()
        case "traits":
            return (LATEST,), 0, ("trait",)
        case "cross":
            if len(entry.by) != 2:
                msg = f"{where}.by = {entry.by} must name the two keys that are crossed"
                raise ConfigurationError(msg)
            for key in entry.by:
                _one_of(key, (*NAMES, *_CALENDAR), f"{where}.by")
            return (COUNT,), entry.buckets or 16, tuple(entry.by)
    if len(entry.by) > 1:
        msg = f"{where}.by = {entry.by}: one key at most; kind = 'cross' counts pairs"
        raise ConfigurationError(msg)
    for key in entry.by:
        _one_of(key, (*NAMES, *_CALENDAR), f"{where}.by")
    cell = {"count": COUNT, "moments": MOMENTS}.get(entry.kind, DECAY)
    slots = _CALENDAR.get(entry.by[0], 0) if entry.by else 1
    return (cell,), slots, tuple(entry.by)


def _one_of(value: str, choices: Sequence[str], where: str) -> None:
    if value not in choices:
        msg = f"{where} = {value!r} must be one of {', '.join(choices)}"
        raise ConfigurationError(msg)
