"""Torch modules to ONNX graphs, held against each other before anything is installed. Needs the extra `train`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from encoders.errors import BrokenEncoderError
from encoders.session import Session

__all__ = ["OPSET", "PARITY", "check_parity", "write_graph"]

#: It warns of torchvision's absence at every export, whatever is exported.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)

OPSET = 18
#: Largest difference between torch and onnxruntime that an export may have; of what is above 1, by that share.
PARITY = 1e-4

Inputs = Mapping[str, npt.NDArray[np.generic]]


def write_graph(
    module: torch.nn.Module, path: Path, example: Inputs, dynamic: Mapping[str, Mapping[int, str]],
    checks: Sequence[Inputs],
) -> float:  # fmt: skip
    """Export a module whose only output is called ``vector``, and compare the two.

    Parameters
    ----------
    module : torch.nn.Module
        Its `forward` takes the inputs by name. An output called ``embedding`` would be one the exporter's own names
        collide with (the file then doesn't load), so every graph here has ``vector``.
    path : Path
        Where the graph goes, weights inside.
    example : mapping of str to ndarray
        Inputs to trace with; dimensions that are dynamic should be larger than 1.
    dynamic : mapping of str to mapping of int to str
        Names of the dynamic dimensions of each input.
    checks : sequence of such mappings
        Inputs of other shapes, on which both must agree.

    Returns
    -------
    float
        The largest difference found.

    Raises
    ------
    BrokenEncoderError
        It is more than `PARITY`.
    """
    module.eval()
    dims: dict[str, torch.export.Dim] = {}
    shapes = {
        name: {axis: dims.setdefault(dim, torch.export.Dim(dim, min=1, max=4096)) for axis, dim in axes.items()}
        for name, axes in dynamic.items()
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            module,
            kwargs={name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in example.items()},
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(example),
            output_names=["vector"],
            opset_version=OPSET,
            verbose=False,
        )
        if program is None:
            msg = f"torch exported nothing to {path.name}"
            raise BrokenEncoderError(msg)
        program.save(str(path), external_data=False)
    return check_parity(module, path, [example, *checks])


def check_parity(module: torch.nn.Module, path: Path, checks: Sequence[Inputs]) -> float:
    """Return the largest difference between a module and its graph.

    Raises
    ------
    BrokenEncoderError
        It is more than `PARITY`, or not a number.
    """
    session = Session(path, providers=("CPUExecutionProvider",))
    worst = 0.0
    for inputs in checks:
        with torch.no_grad():
            expected = module(**{name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in inputs.items()}).numpy()
        # Vectors have coordinates below 1; a score of hundreds is held to as many digits.
        difference = float(np.abs(session.run(**inputs) - expected).max()) / max(1.0, float(np.abs(expected).max()))
        if not difference <= PARITY:
            shapes = {name: value.shape for name, value in inputs.items()}
            msg = f"{path.name} differs from torch by {difference:.2g} on {shapes}, allowed {PARITY}"
            raise BrokenEncoderError(msg)
        worst = max(worst, difference)
    return worst
