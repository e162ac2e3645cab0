"""What the quality benchmark says of people who move and of what may come last, and the set it makes of MovieLens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.bench.bench_models import movers_switch
from tests.bench.sets import SETS, Crowd, movielens, shuttle_windows
from tests.bench.windows import most_served

ITEMS = """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
1\t"Quoted" one\t1995\tComedy Drama
2\tTwo\t1995\tDrama
3\tThree\t1995\tWar
"""
RATINGS = """user_id:token\titem_id:token\trating:float\ttimestamp:float
7\t2\t3\t20
7\t1\t3\t10
9\t3\t4\t5
7\t3\t1\t30
"""


def test_movers_that_need_not_switch_are_not_counted() -> None:
    centers, ids = np.array([[0.0], [10.0]]), np.array([4, 6])
    # who stays near, who has to switch and does at the third event, who never does, and who now stands between two
    places = np.array([[1.0], [10.0], [9.0], [5.1]])
    given = np.array([[4, 4, 4, 4], [4, 4, 4, 4], [4, 4, 4, 4], [4, 4, 4, 4], [4, 6, 4, 4], [4, 6, 4, 4]])
    one = Crowd(np.arange(4), places, places, np.arange(4), 2)
    said = movers_switch(one, given, centers, ids)
    assert said == {"movers": 4, "due": 2, "switched": 0.5, "soon": 0.5, "events": np.inf}
    late = np.vstack([np.full((10, 4), 4), np.full((2, 4), 6)])
    assert movers_switch(one, late, centers, ids) == {
        "movers": 4,
        "due": 2,
        "switched": 1.0,
        "soon": 0.0,
        "events": 9.0,
    }


def test_windows_are_served_together_unless_each_has_an_outlier_of_its_own() -> None:
    random = np.random.default_rng(5)
    alike = [np.vstack([random.normal(size=(100, 2)), random.normal(size=(100, 2)) + 20]) for _ in range(3)]
    assert most_served(alike, 2, 1.05) == 3
    far = [np.vstack([random.normal(size=(200, 2)), [place]]) for place in ([0, 90], [90, 0], [-90, 0], [0, -90])]
    assert most_served(far, 2, 1.05) == 1
    assert most_served([*far, *alike], 2, 1.05) == 3
    assert most_served([far[0], far[0] + 0.01, far[1]], 2, 1.05) == 2


def test_the_first_window_of_shuttle_is_what_comes_last_in_the_set() -> None:
    stream, _ = SETS["shuttle"][1](1)
    windows = shuttle_windows(1, 2_000)
    np.testing.assert_array_equal(windows[0], stream[-2_000:])
    assert len(windows) == 19


@pytest.mark.parametrize("seed", [0, 1])
def test_movielens_is_what_each_person_has_seen_so_far_in_their_order(tmp_path: Path, seed: int) -> None:
    (tmp_path / "ml-100k.item").write_text(ITEMS)
    (tmp_path / "ml-100k.inter").write_text(RATINGS)
    vectors, labels = movielens(tmp_path, seed)
    tastes = np.array([[1.0, 1.0, 0.0], [0.5, 1.0, 0.0], [1 / 3, 2 / 3, 1 / 3], [0.0, 0.0, 1.0]])  # comedy, drama, war
    expected = (tastes - tastes.mean(axis=0)) / tastes.std(axis=0)
    at = [int(np.abs(vectors - row).sum(axis=1).argmin()) for row in expected]
    assert sorted(at) == [0, 1, 2, 3]
    np.testing.assert_allclose(vectors[at], expected)
    assert at[:3] == sorted(at[:3])  # one person's, in the order of their ratings
    assert labels[at].tolist() == [1, 1, 1, 2]
