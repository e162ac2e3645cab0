"""What the encoder benchmarks measure on is what they say it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from encoders import load_encoder
from tests.bench.bench_encoders import retrieval
from tests.bench.planted import GROUPS, TOPICS, ari, planted
from tests.encoders.test_contract import tiny


def test_the_planted_log_is_repeatable_and_has_its_parts() -> None:
    once, again, other = planted(1, 6_000, 300, 500), planted(1, 6_000, 300, 500), planted(2, 6_000, 300, 500)

    np.testing.assert_array_equal(once.item, again.item)
    assert (once.item != other.item).any()
    assert len(once.user) == 6_000
    assert set(once.user.tolist()) == set(range(300))
    assert once.content.shape == (500, 512)
    assert set(once.topic.tolist()) == set(range(TOPICS))
    assert set(once.group.tolist()) == set(range(GROUPS))
    np.testing.assert_allclose(once.histograms().sum(axis=1), 1.0)


def test_groups_can_be_found_in_true_topics_and_not_in_chance() -> None:
    data = planted(0, 30_000, 1_000, 500)
    chance = np.random.default_rng(0).random((1_000, TOPICS))

    assert ari(data.histograms(), data.group) > 0.4
    assert abs(ari(chance, data.group)) < 0.05


def test_retrieval_counts_neighbours_of_the_same_category_but_never_a_title_itself(tmp_path: Path) -> None:
    tiny(tmp_path / "tiny")
    rows = [
        ("N1", "a", "red"), ("N2", "a", "red red"), ("N3", "b", "blue"), ("N4", "c", "blue blue"),
        ("N5", "a", "red"), ("N6", "b", ""),
    ]  # fmt: skip
    (tmp_path / "news.tsv").write_text("".join(f"{n}\t{c}\tx\t{title}\tabstract\n" for n, c, title in rows))

    found = retrieval(load_encoder("tiny", tmp_path), tmp_path / "news.tsv", 6)

    # "red" comes once and is beside "red red"; "blue" and "blue blue" are beside each other; N6 has no vector.
    assert found == 0.5
