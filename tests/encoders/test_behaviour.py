"""Behaviour models on a log with two kinds of people: each finds them, leaves torch as it is, survives strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders import Cases, check_encoder, load_encoder, load_manifest
from encoders.behaviour import Basket, BehaviourEncoder, Interactions
from encoders.behaviour.install import Bag, install_basket_model
from encoders.behaviour.item2vec import train_item2vec
from encoders.behaviour.multdae import Entries, MultDAE, loss_of, train_multdae
from encoders.behaviour.node2vec import graph_of, train_node2vec, walks
from encoders.behaviour.skipgram import windows
from encoders.contract import Vectors
from encoders.errors import BrokenEncoderError

CASES = Cases(
    good=[
        Basket(["0"]), Basket(["3", "14", "7"], [1.0, 2.0, 0.5]), Basket([str(i) for i in range(30)]),
        Basket(["2", "never seen"], [1.0, 50.0]),
    ],
    bad=[
        (Basket([]), "empty"), (Basket(["never seen"]), "unknown"), (Basket(["1"], [0.0]), "unknown"),
        (Basket(["1"] * 100_001), "too_large"), (Basket(["1"], [float("nan")]), "broken"),
        (Basket(["1"], [-1.0]), "broken"), (Basket(["1", "2"], [1.0]), "broken"), (["1"], "broken"),
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def log() -> Interactions:
    """400 people; those with even numbers like items 0 to 14, the others 15 to 29, one click in ten is noise."""
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(400), 12)
    item = random.integers(0, 15, len(user)) + 15 * (user % 2)
    noise = random.random(len(user)) < 0.1
    item[noise] = random.integers(0, 30, int(noise.sum()))
    return Interactions.from_arrays(user, item)


def train(kind: str, log: Interactions) -> Vectors:
    if kind == "node2vec":
        return train_node2vec(log, dim=16, rounds=2, length=12, seed=3)
    return train_item2vec(log, mode="cbow" if kind == "cbow" else "skipgram", dim=16, epochs=6, seed=3)


@pytest.fixture(scope="module", params=["skipgram", "cbow", "node2vec", "multdae"])
def trained(
    request: pytest.FixtureRequest, log: Interactions, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BehaviourEncoder, torch.nn.Module]:
    """The encoder, and the module it was made of."""
    folder = tmp_path_factory.mktemp("models")
    dae = request.param == "multdae"
    module = train_multdae(log, dim=16, epochs=25, seed=3) if dae else Bag(train(request.param, log))
    install_basket_model(
        module, log.vocabulary, folder, encoder_id="small", version="7", dim=16, pooling="x", normalised=not dae,
        source="a test",
    )  # fmt: skip
    found = load_encoder("small", folder)
    assert isinstance(found, BehaviourEncoder)
    return found, module


def test_it_conforms_and_is_a_space_of_its_own(trained: tuple[BehaviourEncoder, torch.nn.Module]) -> None:
    manifest = trained[0].manifest

    assert check_encoder(BehaviourEncoder, manifest, CASES)
    assert (manifest.space_id, manifest.weights) == ("small/7", "trained")


def test_people_of_a_kind_are_alike(trained: tuple[BehaviourEncoder, torch.nn.Module], log: Interactions) -> None:
    vectors = trained[0].encode(log.baskets())
    vectors -= vectors.mean(axis=0)  # what all have in common says nothing
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    even = log.users % 2 == 0

    assert alike[even][:, even].mean() > alike[even][:, ~even].mean() + 0.3
    assert alike[~even][:, ~even].mean() > alike[even][:, ~even].mean() + 0.3


def test_strangers_are_a_zero_row_and_counted(trained: tuple[BehaviourEncoder, torch.nn.Module]) -> None:
    encoder, module = trained
    baskets = [Basket(["never seen", "nor this"]), Basket(["1", "never seen"]), Basket(["1"])]

    vectors, known = encoder.lookup(baskets)

    assert known.tolist() == [0, 1, 1]
    assert not vectors[0].any()
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-6)
    with torch.no_grad():
        assert not module(torch.zeros((1, 4), dtype=torch.int64), torch.ones((1, 4))).any()


@pytest.mark.parametrize("kind", ["skipgram", "cbow", "node2vec"])
def test_training_is_repeatable_and_the_unknown_row_is_zero(kind: str, log: Interactions) -> None:
    table = train(kind, log)

    assert table.shape == (31, 16)
    assert not table[0].any()
    np.testing.assert_array_equal(table, train(kind, log))


def test_an_autoencoder_puts_back_what_was_hidden(log: Interactions) -> None:
    model = train_multdae(log, dim=16, epochs=25, seed=3)
    half = torch.zeros((1, 31))
    half[0, [1 + log.vocabulary.index(str(item)) for item in range(5)]] = 1.0

    with torch.no_grad():
        likely = model.decoder(model.dense_latent(half))[0].numpy()

    first = np.array([int(item) < 15 for item in log.vocabulary])
    assert likely[first].mean() > likely[~first].mean() + 1.0
    assert isinstance(model, MultDAE)


def test_dense_and_looked_up_baskets_have_one_latent(log: Interactions) -> None:
    model = train_multdae(log, dim=8, epochs=1)
    rows = np.arange(5)
    longest = int(np.diff(log.start)[:5].max())
    items, weights = np.zeros((5, longest), np.int64), np.zeros((5, longest), np.float32)
    for row in rows:
        entries = slice(log.start[row], log.start[row + 1])
        items[row, : np.diff(log.start)[row]] = log.items[entries]
        weights[row, : np.diff(log.start)[row]] = log.weights[entries]

    with torch.no_grad():
        dense = model.dense_latent(torch.from_numpy(log.dense(rows)))
        looked_up = model(torch.from_numpy(items), torch.from_numpy(weights))

    np.testing.assert_allclose(dense.numpy(), looked_up.numpy(), atol=1e-6)


def test_the_loss_is_the_papers(log: Interactions) -> None:
    model, rows = train_multdae(log, dim=8, epochs=1), np.array([7, 0, 399])
    dense = torch.from_numpy(log.dense(rows))

    with torch.no_grad():
        likely = torch.log_softmax(model.decoder(model.dense_latent(dense)), dim=1)
        found = loss_of(model, Entries.of(log, rows), dropout=0.0)

    np.testing.assert_allclose(found.item(), -(likely * dense[:, 1:]).sum(dim=1).mean().item(), rtol=1e-5)


def test_a_table_without_a_zero_row_is_refused() -> None:
    with pytest.raises(BrokenEncoderError, match="row 0"):
        Bag(np.ones((3, 2), np.float32))


def test_entries_are_summed_and_rare_items_are_unknown() -> None:
    log = Interactions.from_arrays(["b", "a", "b", "b"], [7, 7, 7, 9], [1.0, 2.0, 0.5, 4.0], at_least=2)

    assert log.users.tolist() == ["a", "b"]
    assert log.vocabulary == ["7"]
    assert log.baskets() == [Basket(["7"], [2.0]), Basket(["7"], [1.5])]
    assert log.dense(np.array([1])).tolist() == [[0.0, 1.5]]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (([1], [1, 2]), "1, 2 and 1 entries"), (([1], [1], [0.0]), "positive and finite"),
        (([1], [1], [np.inf]), "positive and finite"), (([], []), "no item has 1 entries"),
    ],
)  # fmt: skip
def test_a_log_that_is_none_is_refused(arrays: tuple[list[float], ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Interactions.from_arrays(*arrays)


def test_windows_end_with_their_sequence() -> None:
    around = windows(np.array([1, 2, 3, 4]), np.array([0, 0, 0, 1]), 2)

    assert [sorted(row[row > 0].tolist()) for row in around] == [[2, 3], [1, 3], [1, 2], []]


def test_walks_follow_edges_weights_and_p_and_q() -> None:
    # One person with two items, the second nine times as heavy: a walk alternates, and picks it nine times in ten.
    log = Interactions.from_arrays([0, 0], ["a", "b"], [1.0, 9.0])
    found = walks(graph_of(log), 1.0, 1.0, 4_001, seed=1)

    assert found[0].tolist() == [0] * 4_001
    assert set(found[3, ::2].tolist()) == {3}
    assert np.isclose((found[3, 1::2] == 2).mean(), 0.9, atol=0.03)
    # Unwilling to go back, it alternates between the items; only too willing, it stays with one.
    onwards, back = (walks(graph_of(log), p, 1.0, 4_001, seed=1)[3, 1::2] for p in (1e6, 1e-6))
    assert (onwards[1:] != onwards[:-1]).mean() > 0.95
    assert (back[1:] == back[:-1]).mean() > 0.95


def test_p_and_q_must_be_positive(log: Interactions) -> None:
    with pytest.raises(ValueError, match="p and q must be positive"):
        train_node2vec(log, p=0.0)


def test_a_vocabulary_that_was_changed_is_refused(log: Interactions, tmp_path: Path) -> None:
    install_basket_model(
        Bag(train("cbow", log)), log.vocabulary, tmp_path, encoder_id="small", version="1", dim=16, pooling="x",
        normalised=True, source="a test",
    )  # fmt: skip
    load_manifest("small", tmp_path).path("items.json").write_text("[]")

    with pytest.raises(BrokenEncoderError, match=r"items\.json has sha256"):
        load_encoder("small", tmp_path)
