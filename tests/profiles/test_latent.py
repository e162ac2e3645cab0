"""The latent part: touches to numbers, what is unknown stays missing, and the part joins the others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.profiles.latent import Latent

VOCABULARY = np.array([2**63 + 5, 7, 3, 2**40], np.uint64)


def summed(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Stand for a model: the weighted sum of numbers, and of their squares."""
    return np.stack([(numbers * weights).sum(axis=1), (numbers**2 * weights).sum(axis=1)], axis=1).astype(np.float32)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([2**63 + 5, 7, 3, 99, 0]), st.integers(0, 4)), min_size=3, max_size=3),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_it_is_what_each_touch_says_by_itself(people: list[list[tuple[int, int]]]) -> None:
    ids = np.array([[content for content, _ in touches] for touches in people], np.uint64)
    weights = np.array([[weight for _, weight in touches] for touches in people], np.float64)

    found = Latent("m/1", VOCABULARY, 2, summed).of(ids, weights)

    numbers = {int(content): i + 1 for i, content in enumerate(VOCABULARY)}
    for row, touches in zip(found, people, strict=True):
        known = [(numbers[content], weight) for content, weight in touches if content in numbers and weight]
        if known:
            assert row.tolist() == [sum(n * w for n, w in known), sum(n * n * w for n, w in known)]
        else:
            assert np.isnan(row).all()


def test_many_people_are_run_in_parts() -> None:
    sizes: list[int] = []

    def run(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        sizes.append(len(numbers))
        return summed(numbers, weights)

    found = Latent("m/1", VOCABULARY, 2, run).of(np.full((5_000, 2), 3, np.uint64), np.ones((5_000, 2)))

    assert (sum(sizes), max(sizes)) == (5_000, 2_048)
    assert (found == [6.0, 18.0]).all()
