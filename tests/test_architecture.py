"""Imports run one way (DESIGN 2), nothing is imported inside a function, and the public surface is what it says."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Lower layers first; a module may import from its own layer and from those before it.
LAYERS = (
    ("streams.errors", "streams.kernel", "streams.memory", "streams.stuck", "streams.topics", "streams.telemetry"),
    ("streams.rules",),
    ("streams.settings",),
    ("streams.kafka",),
    ("streams.lag", "streams.outbox", "streams.polling", "streams.records"),
    ("streams.contract",),
    ("streams.identity",),
    ("streams.profiles",),
    ("streams.storage", "streams.warmup"),
    ("streams.serving",),
    ("streams.web",),
    ("streams.control",),
    ("streams.roles",),
    ("streams.embedded",),
    ("streams.role",),
    ("streams.replay", "streams.shop"),
    ("streams.demo",),
    ("streams.commands",),
    ("streams.cli",),
)
LEAVES = ("encoders", "online_models")
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

SURFACE = {
    "online_models": {
        "DBSTREAM", "UNASSIGNED", "Advice", "Change", "Choice", "ConformanceError", "Drift", "KMeans",
        "LocalLearner", "Merger", "NotFiniteError", "OnlineModelError", "Quality", "RiverClusterer", "ShapeError",
        "SharedModel", "Shift", "SnapshotError", "Stabiliser", "StandardScaler", "Transition",
        "UnsuitableModelError", "Update", "assess", "baseline_windows", "bic", "centre_drift", "check_clusterer",
        "choose_k", "measured_dispersion", "nearest_centres", "overlap_of", "river_clusterer", "shift_test",
        "simplified_silhouette", "typical_dispersion", "warm_up_kernels",
    },
    "encoders": {
        "REASONS", "BehaviourEncoder", "BrokenEncoderError", "Cases", "ContentEncoder", "ContentSpace",
        "Encoder", "EncoderConformanceError", "EncoderError",
        "EnvironmentBrokenError", "ImageEncoder", "Manifest", "MultimodalEncoder", "NoVectorError",
        "Projection", "TextEncoder", "Thing", "UnknownEncoderError", "VectorCache", "check_encoder", "content_space",
        "load_encoder", "load_manifest", "load_projection",
    },
}  # fmt: skip


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(name: str) -> int | None:
    return LEVEL.get(".".join(name.split(".")[:2]))


def test_every_module_has_a_layer() -> None:
    homeless = [name for name, _ in modules("streams") if name != "streams" and layer(name) is None]

    assert homeless == []


def test_imports_run_one_way() -> None:
    upward = [
        f"{name} imports {target}"
        for name, tree in modules("streams")
        for target in imported(tree)
        if (mine := layer(name)) is not None and (theirs := layer(target)) is not None and theirs > mine
    ]

    assert upward == []


def test_leaves_never_import_streams() -> None:
    assert [name for name, tree in modules(*LEAVES) if any(t.split(".")[0] == "streams" for t in imported(tree))] == []


def test_no_circle_is_dodged_by_an_import_inside_a_function() -> None:
    ours = {"streams", *LEAVES}
    hidden = [
        f"{name}: {function.name} imports {target}"
        for name, tree in modules("streams", *LEAVES)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for target in imported(function)
        if target.split(".")[0] in ours
    ]

    assert hidden == []


@pytest.mark.parametrize("package", sorted(SURFACE))
def test_the_public_surface_is_pinned(package: str) -> None:
    assert set(importlib.import_module(package).__all__) == SURFACE[package]


def test_signatures_that_users_write_down() -> None:
    kmeans = importlib.import_module("online_models").KMeans
    parameters = list(inspect.signature(kmeans).parameters)

    assert parameters[:2] == ["n_clusters", "rate"]
    assert {"mode", "init", "seed"} <= set(parameters)
    methods = {"learn_one", "predict_one", "learn_many", "predict_many", "learn_predict_many", "centers"}
    assert methods <= set(dir(kmeans))
