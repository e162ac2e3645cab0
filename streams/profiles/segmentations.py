"""All segmentations of a profiler: the first, whose segments are a column of `profiles`, and the others beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.model_updates import Proposed
from streams.profiles.interest import VectorTable
from streams.profiles.labels import PartitionLabels
from streams.profiles.segmentation import Segmentation
from streams.profiles.state import PartitionState
from streams.settings import SegmentationSettings

__all__ = ["Segmentations"]

Rows = npt.NDArray[np.int32]
People = Sequence[tuple[PartitionState, PartitionLabels]]


class Segmentations:
    """What the profiler does to each of its segmentations.

    Parameters
    ----------
    settings : sequence of SegmentationSettings
        At least one.
    table : VectorTable
        Vectors of content, already projected.
    """

    def __init__(self, settings: Sequence[SegmentationSettings], table: VectorTable) -> None:
        self.all = [Segmentation(one, table) for one in settings]
        self._ids: list[list[int] | None] = [[] for _ in settings]

    @property
    def fitted(self) -> bool:
        """Whether each of them has segments."""
        return all(segmentation.fitted for segmentation in self.all)

    @property
    def any_fitted(self) -> bool:
        """Whether one of them has segments."""
        return any(segmentation.fitted for segmentation in self.all)

    def use(self, table: VectorTable, cause: str) -> None:
        """Take interest from another table from now on: see `Segmentation.use`."""
        for segmentation in self.all:
            segmentation.use(table, cause)

    def observe(self, people: People, came: Sequence[Rows], each: Callable[..., Iterable[Any]] = map) -> None:
        """Learn from people whose state has just changed, `came` by partition, and label them.

        `each` is called as `map` is, and may look at partitions beside each other.
        """
        states = [state for state, _ in people]
        for place, segmentation in enumerate(self.all):
            looked = list(each(segmentation.look, states, came))
            for (state, labels), rows, seen in zip(people, came, looked, strict=True):
                segmentation.observe(state, self._with(labels)[place][1], rows, seen)

    def resettle(self, people: People) -> list[Rows]:
        """Give people whose segment has ceased to exist another one; return those who changed, by partition."""
        marked = [np.empty(0, np.int32) for _ in people]
        for place, segmentation in enumerate(self.all):
            ids = segmentation.model.segment_ids
            now = None if ids is None else ids.tolist()
            if now == self._ids[place]:
                continue
            self._ids[place] = now
            for number, (state, labels) in enumerate(people):
                of_it = self._with(labels)[place][1]
                rows = segmentation.relabel(state, of_it, of_it.outside(ids, state.people))
                marked[number] = np.concatenate([marked[number], rows])
        return marked

    def relabel(self, state: PartitionState, labels: PartitionLabels, rows: Rows, soon: Rows) -> Rows:
        """Look at people again whose content has become known; return those with another label in any of them.

        Who is observed `soon`, before anybody is told of labels, is labelled then.
        """
        changed = [s.relabel(state, of_it, rows, soon) for s, of_it in self._with(labels) if s.sees_content]
        return np.concatenate([rows[:0], *changed])

    def fit_if_due(self, people: People, *, drained: bool) -> list[Rows] | None:
        """Fit those that have a reason to be, and look at everybody again; return who changed, by partition.

        None where nothing was fitted.
        """
        marked: list[Rows] | None = None
        for place, segmentation in enumerate(self.all):
            of_it = [(state, self._with(labels)[place][1]) for state, labels in people]
            if segmentation.fit_if_due(of_it, drained=drained):
                changed = [segmentation.relabel(state, labels, state.everybody()) for state, labels in of_it]
                before = marked or [rows[:0] for rows in changed]
                marked = [np.concatenate(two) for two in zip(before, changed, strict=True)]
        return marked

    def adopt(self, place: int, version: int, snapshot: bytes, people: People) -> list[Rows]:
        """Let one of them go on from a version; return who is in another segment for it, by partition."""
        segmentation = self.all[place]
        of_it = [(state, self._with(labels)[place][1]) for state, labels in people]
        looked_at = segmentation.adopt(version, snapshot, of_it)
        return [segmentation.relabel(*person, rows) for person, rows in zip(of_it, looked_at, strict=True)]

    def proposals(
        self, people: People, now_s: float, base_versions: Sequence[int], space_id: str, layout: int, *, drained: bool
    ) -> list[Proposed]:
        """Return fits that have a reason to be and are ours to propose."""
        made = []
        for place, segmentation in enumerate(self.all):
            of_it = [(state, self._with(labels)[place][1]) for state, labels in people]
            proposal = segmentation.take_proposal(of_it, now_s, base_versions[place], space_id, layout, drained=drained)
            made += [proposal] if proposal is not None else []
        return made

    def _with(self, labels: PartitionLabels) -> list[tuple[Segmentation, PartitionLabels]]:
        return list(zip(self.all, [labels, *labels.others], strict=True))
