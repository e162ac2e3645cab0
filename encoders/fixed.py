"""A model whose batches have a few fixed shapes: buffers made once, and on a GPU one graph replayed.

A small transformer is some three hundred kernels, and launching them takes longer than running them on few texts. With
every dimension known, onnxruntime folds the arithmetic of shapes away, and a batch is one launch of a CUDA graph.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnxruntime

from encoders.batching import bucket

__all__ = ["FixedShapes", "length_of", "rows_of"]

Inputs = Mapping[str, npt.NDArray[np.generic]]
Vectors = npt.NDArray[np.float32]
#: Opens the model with these sizes of its free dimensions.
Open = Callable[[Mapping[str, int]], onnxruntime.InferenceSession]

#: Rows of a batch are filled up to one of these; a batch of more than the last is run as it comes.
ROWS = (8, 32, 128, 512)
#: Larger batches (rows times tokens) are run as they come: kernels outlast their launches, a graph gains nothing more
#: (MiniLM, 512 texts of 16 tokens), and the buffers of 19 shapes up to eight times as large took 27 GB (measured).
CELLS = 8_192
#: Shapes beyond so many are run as they come: each has its own copy of the weights on the device.
MOST = 24


def rows_of(n: int) -> int | None:
    """Return how many rows a batch of `n` is filled up to; None if it is too large.

    Examples
    --------
    >>> rows_of(1), rows_of(9), rows_of(1000)
    (8, 32, None)
    """
    return next((rows for rows in ROWS if rows >= n), None)


def length_of(rows: int, longest: int, most: int | None = None) -> int:
    """Return the length that a batch is best padded to: one of a few if its shape can be fixed, else what it needs.

    Examples
    --------
    >>> length_of(512, 10), length_of(512, 17), length_of(3, 100, most=120)
    (16, 17, 120)
    """
    length, full = bucket(longest, most), rows_of(rows)
    return length if full is not None and full * length <= CELLS else longest


class FixedShapes:
    """The sessions of one model by shape of a batch, each opened when its shape first comes.

    Parameters
    ----------
    dimensions : mapping of str to sequence
        Of each input: its dimensions, a str where it is free.
    open_session : callable
        See `Open`.
    device : str
        ``cuda`` or ``cpu``: where the buffers are.

    Attributes
    ----------
    refused : str
        Why the last shape that can't be fixed can't; empty if all can.
    """

    def __init__(self, dimensions: Mapping[str, list[str | int]], open_session: Open, device: str) -> None:
        self._dimensions = dimensions
        self._open = open_session
        self._device = device
        self._shapes: dict[tuple[tuple[str, int], ...], _Bound | None] = {}
        self._one_at_a_time = threading.Lock()  # buffers and graph belong to one run
        self.refused = ""

    def run(self, inputs: Inputs) -> Vectors | None:
        """Return the vectors of a batch; None if its shape can't be fixed."""
        n = len(next(iter(inputs.values())))
        rows = rows_of(n)
        if rows is None:
            return None
        sizes = {
            dimension: size
            for name, values in inputs.items()
            for dimension, size in zip(self._dimensions[name], (rows, *values.shape[1:]), strict=True)
            if isinstance(dimension, str)
        }
        if math.prod(sizes.values()) > CELLS:
            return None
        # The last row again: of a row that is all padding a model may make anything.
        full = {name: np.concatenate([values, np.repeat(values[-1:], rows - n, 0)]) for name, values in inputs.items()}
        key = tuple(sorted(sizes.items()))
        with self._one_at_a_time:
            if key not in self._shapes:
                self._shapes[key] = self._bound(sizes, full) if len(self._shapes) < MOST else None
            bound = self._shapes[key]
            return None if bound is None else bound.run(full)[:n]

    def _bound(self, sizes: Mapping[str, int], example: Inputs) -> _Bound | None:
        try:
            bound = _Bound(self._open(sizes), example, self._device)
            bound.run(example)
        except Exception as error:  # onnxruntime's own have no common base; the batch is run without
            self.refused = f"{dict(sizes)}: {str(error).splitlines()[0]}"
            return None
        return bound


class _Bound:
    """A session with a buffer for each input and the output; their addresses stay, as a CUDA graph needs."""

    def __init__(self, session: onnxruntime.InferenceSession, example: Inputs, device: str) -> None:
        shape = session.get_outputs()[0].shape
        if not all(isinstance(size, int) for size in shape):
            msg = f"its output has the shape {shape}"
            raise ValueError(msg)
        make = onnxruntime.OrtValue
        self._session = session
        self._binding = session.io_binding()
        self._inputs = {
            name: make.ortvalue_from_numpy(np.ascontiguousarray(rows), device, 0) for name, rows in example.items()
        }
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._output = make.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
        self._binding.bind_ortvalue_output("vector", self._output)

    def run(self, inputs: Inputs) -> Vectors:
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(inputs[name]))
        self._session.run_with_iobinding(self._binding)
        # On the CPU this is the buffer itself, which the next run overwrites.
        return np.array(self._output.numpy())
