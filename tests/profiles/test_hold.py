"""Segments hold while those who come differ by the hour, and follow when everybody is elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from streams.profiles import Segmentations, VectorTable
from streams.settings import SegmentationSettings

CORNERS = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])
#: Each corner is two crowds beside each other: whoever sees one corner only would cut it in two.
CROWDS = (CORNERS[:, None] + np.array([[-2.0, 0.0], [2.0, 0.0]])).reshape(-1, 2)
PEOPLE = 4_000


class Town:
    """A segmentation and its people, as raw vectors of two columns."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(4)
        settings = SegmentationSettings(n_clusters=4, parts={"behaviour": 1.0})
        self.segmentation: Any = Segmentations([settings], VectorTable(2)).all[0]
        self.crowd = self.random.integers(len(CROWDS), size=PEOPLE)
        self.move(np.zeros(2))
        self.labels = SimpleNamespace(known=np.ones(PEOPLE), resize=lambda people: None, of=lambda rows: 0 * rows)
        self.state = SimpleNamespace(
            people=PEOPLE, accepted=PEOPLE, everybody=lambda: np.arange(PEOPLE, dtype=np.int32),
            touches=lambda rows: (np.zeros((len(rows), 1), np.uint64), np.zeros((len(rows), 1))),
            behaviour=lambda rows: (self.vectors[rows], np.zeros((len(rows), 1))),
            behaviour_weights=lambda columns: np.ones(2),
        )  # fmt: skip

    def move(self, by: np.ndarray) -> None:
        """Let the people of every second corner be elsewhere."""
        places = CROWDS + np.where(np.arange(len(CROWDS))[:, None] < 4, by, 0.0)
        self.vectors = places[self.crowd] + self.random.normal(size=(PEOPLE, 2)) * 0.3

    def fit_if_due(self) -> bool:
        done: bool = self.segmentation.fit_if_due([(self.state, self.labels)], drained=False)
        return done

    def come(self, crowds: range, times: int = 5_000) -> None:
        """Let people of some crowds come, so many times in all."""
        there = np.flatnonzero(np.isin(self.crowd, crowds))
        raw, _ = self.segmentation._space.raw(self.state, self.random.choice(there, times))
        self.segmentation._space.learn(raw)
        self.segmentation._model.learn(self.segmentation._space.transform(raw))
        self.state.accepted += 1  # history doesn't grow by so much that it calls for a fit

    @property
    def ids(self) -> list[int]:
        return sorted(self.segmentation._model.segment_ids.tolist())


def test_who_comes_by_day_and_who_by_night_are_no_reason_for_other_segments() -> None:
    town = Town()
    assert town.fit_if_due()
    town.come(range(8), 1_000_000)  # mean and scale are of all who ever came
    before, asked = town.ids, 0
    for half_day in range(8):
        town.come(range(4) if half_day % 2 else range(4, 8), 20_000)
        asked += town.segmentation._model.restless
        assert not town.fit_if_due()
    assert asked  # by those who came the segments should have been elsewhere
    assert town.ids == before


def test_when_everybody_is_elsewhere_segments_follow() -> None:
    town = Town()
    assert town.fit_if_due()
    town.come(range(8), 1_000_000)
    town.segmentation.take_version(0.0)
    town.move(np.array([0.0, 300.0]))  # corners 0 and 1 are so far from the others that these are one
    fitted = False
    for _ in range(8):
        town.come(range(8))
        fitted = fitted or town.fit_if_due()
    assert fitted
    assert town.segmentation.take_version(1.0) == "people have moved"
