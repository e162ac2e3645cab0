"""`models train` on people's touches, taken by a profiler that runs: the latent part joins everybody's vector."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.commands.training import train_model
from streams.contract.content import content_id_of
from streams.errors import InputError
from streams.roles.encoder import EncoderRole
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from streams.storage.behaviour import save_behaviour_model
from tests.roles.test_switch import PATIENCE_S, PEOPLE, TITLES, command, run_until, send, views

COLUMNS = ("user", "item", "")
SCORED = (
    "SELECT profile_id, features['anomaly'], features['anomaly_share'] FROM current_profiles "
    "WHERE mapContains(features, 'anomaly')"
)


def test_a_running_profiler_takes_a_trained_model_and_a_restarted_one_keeps_it(own: Settings) -> None:
    # Two tastes: half of the people view even items, the other half odd ones.
    events = [e for i in range(12) for e in views(i, TITLES[i % 4], range(i % 2, PEOPLE, 2))]
    send(own, events)
    encoder, profiler = EncoderRole(own), Profiler(own)
    try:
        run_until(encoder, profiler, "one/1", 12)
        version = profiler._models.newest[0]

        done = train_model(own, "item2vec", None, COLUMNS, seed=0, activate=True, say=lambda text: None)

        deadline = time.monotonic() + PATIENCE_S
        while profiler._behaviour.latent is None:
            profiler.step()
            assert time.monotonic() < deadline
        profiler.commit()
        assert (done["people"], done["items"], done["version"]) == (PEOPLE, 12, 1)
        assert profiler._space_id == f"one/1 + {done['space_id']}"
        assert profiler._models.newest[0] > version
        state = max((p.state for p in profiler._partitions.values()), key=lambda state: state.people)
        rows = np.arange(state.people, dtype=np.int32)
        raw, _ = profiler._segmentations.all[0]._space.raw(state, rows)
        latent = raw[:, -32:]
        np.testing.assert_allclose(np.linalg.norm(latent, axis=1), 1.0, atol=1e-4)
        even = np.array([int(name[1:]) % 2 == 0 for name in state.ids(rows).to_pylist()])
        alike, unlike = latent[even] @ latent[even].T, latent[even] @ latent[~even].T
        assert alike.min() > unlike.max(), "people of one taste are nearer each other than those of another"
        with connect(own) as client:
            spaces = client.query(
                "SELECT DISTINCT m.space_id FROM positions AS p "
                "JOIN model_versions AS m ON m.model_version = p.model_version"
            ).result_rows
        assert spaces == [(profiler._space_id,)]
        space = profiler._space_id
    finally:
        encoder.close()
        profiler.close()
    again = Profiler(own)
    try:
        assert again._space_id == space
        deadline = time.monotonic() + PATIENCE_S
        while not again._segmentations.all[0].fitted:
            again.step()
            assert time.monotonic() < deadline
    finally:
        again.close()


def test_a_rollback_brings_the_model_before_and_another_one_the_model_after(
    own: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def models(*arguments: str) -> dict[str, Any]:
        return command(own, monkeypatch, *arguments, group="models")

    def use(space: str) -> np.ndarray:
        """Let the profiler run until it uses a model; return everybody's vector."""
        deadline = time.monotonic() + PATIENCE_S
        while profiler._behaviour.space_id != space:
            profiler._behaviour._looked_at = 0.0  # now, not in two seconds
            profiler.step()
            assert time.monotonic() < deadline
        profiler.commit()
        state = max((p.state for p in profiler._partitions.values()), key=lambda state: state.people)
        raw, _ = profiler._segmentations.all[0]._space.raw(state, np.arange(state.people, dtype=np.int32))
        return np.asarray(raw)

    with pytest.raises(InputError, match="no model of baskets was trained yet"):
        models("rollback")
    send(own, [e for i in range(12) for e in views(i, TITLES[i % 4], range(i % 2, PEOPLE, 2))])
    encoder, profiler = EncoderRole(own), Profiler(own)
    try:
        run_until(encoder, profiler, "one/1", 12)
        without = use("")
        first = train_model(own, "item2vec", None, COLUMNS, seed=0, activate=True, say=lambda text: None)
        by_first = use(first["space_id"])
        # A second training, by other numbers: what matters here is that it is another model.
        folder = tmp_path / "other"
        shutil.copytree(first["folder"], folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"space_id": "item2vec/other"}))
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        with connect(own) as client:
            assert save_behaviour_model(client, "item2vec", "item2vec/other", files, "{}") == 2
        use("item2vec/other")

        back = models("rollback")
        assert (back["version"], back["space_id"], back["before"]) == (3, first["space_id"], "item2vec/other")
        np.testing.assert_array_equal(use(first["space_id"]), by_first)
        assert models("rollback")["space_id"] == "item2vec/other", "a rollback of a rollback is the way forward"
        use("item2vec/other")
        assert models("rollback", "--to", "1")["space_id"] == first["space_id"]
        use(first["space_id"])
        assert models("rollback", "--to", "1")["version"] == 5, "what counts already is no change"

        with connect(own) as client:
            client.command("TRUNCATE TABLE behaviour_models")
            save_behaviour_model(client, "item2vec", "item2vec/other", files, "{}")
            client.command("INSERT INTO behaviour_models (version, kind, space_id) VALUES (6, 'anomaly', 'anomaly/1')")
        taken = models("rollback")
        assert (taken["version"], taken["space_id"], taken["before"]) == (7, "", "item2vec/other")
        np.testing.assert_array_equal(use(""), without)
        told = [(row["version"], row["kind"], row["counts"]) for row in models("list")["models"]]
        assert told == [(7, "none", False), (6, "anomaly", True), (1, "item2vec", False)]
        with pytest.raises(InputError, match="no model of baskets has version 6; there are 7, 1"):
            models("rollback", "--to", "6")
    finally:
        encoder.close()
        profiler.close()
    again = Profiler(own)
    try:
        assert (again._behaviour.latent, again._space_id) == (None, "one/1")
    finally:
        again.close()


def test_people_are_scored_by_the_model_that_was_trained_last(own: Settings) -> None:
    usual = [e for i in range(12) for e in views(i, TITLES[i % 4], range(i % 2, PEOPLE, 2))]
    odd = [e | {"messageId": f"again {n}"} for n in range(20) for e in views(3, TITLES[3], range(900, 901))]
    send(own, [*usual, *odd])
    encoder, profiler = EncoderRole(own), Profiler(own)
    try:
        run_until(encoder, profiler, "one/1", 12)
        done = train_model(own, "gan", None, COLUMNS, seed=0, activate=True, say=lambda text: None)
        deadline = time.monotonic() + PATIENCE_S
        while profiler._unusual.model is None:
            profiler.step()
            assert time.monotonic() < deadline
        touched = list(views(0, TITLES[0], range(0, 20))) + list(views(3, TITLES[3], range(900, 901)))
        send(own, [e | {"messageId": f"{e['messageId']} later"} for e in touched])
        with connect(own) as client:
            while len(rows := client.query(SCORED).result_rows) < 21:
                profiler.step()
                assert time.monotonic() < deadline
    finally:
        encoder.close()
        profiler.close()

    found = {profile_id: (score, share) for profile_id, score, share in rows}
    assert done["version"] == 1
    assert profiler._behaviour.latent is None, "a score is no part of anybody's vector"
    assert max(found, key=lambda profile_id: found[profile_id]) == "u900"
    assert all(0.0 <= share <= 1.0 for _, share in found.values())


def test_a_weight_of_zero_leaves_the_model_where_it_is(own: Settings) -> None:
    replace = msgspec.structs.replace
    parts = {**own.segmentation.parts, "latent": 0.0}
    profiler = Profiler(replace(own, segmentation=replace(own.segmentation, parts=parts)))

    assert profiler._behaviour._wanted is False
    profiler.close()


def test_training_from_a_file_knows_items_by_the_ids_of_events(own: Settings, tmp_path: Path) -> None:
    path = tmp_path / "views.tsv"
    rows = [f"u{u}\tp{i}\t1.0" for u in range(50) for i in range(12) if (u + i) % 2]
    path.write_text("person\tproduct\trating\n" + "\n".join(rows) + "\n")

    done = train_model(own, "item2vec", path, ("person", "product", "rating"), seed=0, activate=True, say=print)

    assert (done["people"], done["items"], done["version"]) == (50, 12, 1)
    known = json.loads((Path(done["folder"]) / "items.json").read_text())
    assert sorted(known) == sorted(str(content_id_of("item", f"p{i}")) for i in range(12))
    with pytest.raises(InputError, match="no column 'user'"):
        train_model(own, "multdae", path, COLUMNS, seed=0, activate=False, say=lambda text: None)
    with pytest.raises(InputError, match="nothing to train on in people's touches"):
        train_model(own, "multdae", None, COLUMNS, seed=0, activate=False, say=lambda text: None)
