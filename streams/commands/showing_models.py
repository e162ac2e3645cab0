"""The newest model of each segmentation: how good it is, how large its segments are, and what lifts each centre."""

from __future__ import annotations

import math
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.errors import InputError
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.models import newest_model, stored_names

__all__ = ["models_text", "show_models"]

_PEOPLE = (
    "(SELECT segments[{segmentation:String}] AS chosen, features FROM current_profiles "
    "WHERE mapContains(segments, {segmentation:String}) AND chosen >= -1)"
)
_SIZES = f"SELECT chosen, count() FROM {_PEOPLE} GROUP BY chosen ORDER BY chosen"  # noqa: S608 - constants of ours
#: A centre in words: the mean of each feature over the segment's people, against the mean over everybody.
_LIFTS = f"""
WITH everybody AS (SELECT count() AS n FROM {_PEOPLE}),
     sizes AS (SELECT chosen, count() AS n FROM {_PEOPLE} GROUP BY chosen),
     sums AS (SELECT chosen, entry.1 AS feature, sum(entry.2) AS total
              FROM {_PEOPLE} ARRAY JOIN CAST(features, 'Array(Tuple(String, Float64))') AS entry
              GROUP BY chosen, feature),
     totals AS (SELECT feature, sum(total) AS of_all FROM sums GROUP BY feature)
SELECT sums.chosen, sums.feature, (total / sizes.n) / (of_all / (SELECT n FROM everybody)) AS lift
FROM sums JOIN sizes ON sums.chosen = sizes.chosen JOIN totals ON sums.feature = totals.feature
WHERE of_all > 0 AND total > 0
ORDER BY sums.chosen, lift DESC, sums.feature
LIMIT {{most:UInt32}} BY sums.chosen
"""  # noqa: S608 - constants of ours


def show_models(settings: Settings, segmentation: str = "", *, most: int = 5) -> list[dict[str, Any]]:
    """Return the newest model of each declared segmentation, or of the one that is named.

    Raises
    ------
    InputError
        None of that name is declared.
    """
    names = [one.name for one in settings.segmentations]
    if segmentation and segmentation not in names:
        msg = f"no segmentation {segmentation!r}; there are {names}. They are declared as [[segmentation]]"
        raise InputError(msg)
    with connect(settings, reader=True) as client:
        return [_shown(client, place, name, most) for place, name in enumerate(names) if segmentation in {"", name}]


def models_text(found: list[dict[str, Any]]) -> str:
    """Show them."""
    lines = []
    for model in found:
        if not model["version"]:
            lines.append(f"{model['segmentation']}: no model yet")
            continue
        judged = "" if model["silhouette"] is None else f", silhouette {model['silhouette']:.3f}"
        lines.append(
            f"{model['segmentation']}: version {model['version']} ({model['cause']}), {model['learned']:,} vectors "
            f"learned, inertia {model['inertia']:.4g}{judged}"
        )
        for centre in model["segments"]:
            lifts = ", ".join(f"{name} x{lift:.2f}" for name, lift in centre["lifts"])
            lines.append(f"  segment {centre['segment']}: {centre['people']:,} people  {lifts}")
    return "\n".join(lines)


def _shown(client: Client, place: int, name: str, most: int) -> dict[str, Any]:
    stored = newest_model(client, stored_names(place, name))
    parameters = {"segmentation": name, "most": most}
    sizes: list[Any] = list(client.query(_SIZES, parameters=parameters).result_rows)
    people: dict[int, int] = dict(sizes)
    lifts: dict[int, list[tuple[str, float]]] = {}
    for segment, feature, lift in client.query(_LIFTS, parameters=parameters).result_rows:
        lifts.setdefault(segment, []).append((feature, lift))
    known = sorted({*people, *(stored.segments if stored is not None else ())})
    quality = stored.quality if stored is not None else None
    return {
        "segmentation": name,
        "version": stored.model_version if stored is not None else 0,
        "cause": stored.cause if stored is not None else "",
        "learned": stored.learned if stored is not None else 0,
        "inertia": quality.inertia if quality is not None else None,
        "silhouette": quality.silhouette if quality is not None and not math.isnan(quality.silhouette) else None,
        "segments": [
            {"segment": segment, "people": people.get(segment, 0), "lifts": lifts.get(segment, [])} for segment in known
        ],
    }
