"""An onnxruntime session whose provider is known, with the reason for each faster one that isn't it."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from encoders.errors import BrokenEncoderError, EnvironmentBrokenError
from encoders.fixed import FixedShapes, length_of

__all__ = ["PROVIDERS", "Session", "check_environment"]

#: Fastest first.
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
#: onnxruntime's own levels.
_WARNING, _FATAL = 2, 4


def check_environment() -> None:
    """Refuse an environment in which two onnxruntimes overwrite each other's files.

    Raises
    ------
    EnvironmentBrokenError
        Both `onnxruntime` and `onnxruntime-gpu` are installed.
    """
    if _installed("onnxruntime") and _installed("onnxruntime-gpu"):
        msg = (
            "onnxruntime and onnxruntime-gpu are both installed and break each other. "
            "Remove both, then install one extra: pip install 'userprism[cpu]' or 'userprism[gpu]'"
        )
        raise EnvironmentBrokenError(msg)


class Session:
    """One model on one provider.

    Parameters
    ----------
    path : Path
        The ONNX file.
    threads : int
        Threads within an operator; `run` may be called from several threads at once.
    providers : sequence of str
        Tried in this order; the first that the session really runs on is kept.
    fixed : bool, optional
        Whether batches are run in a few fixed shapes with buffers made once (`encoders.fixed`): on a GPU, as CUDA
        graphs; default there and nowhere else.

    Attributes
    ----------
    provider : str
        The one that was really chosen; what is merely available may not work.
    steps_down : list of str
        For each provider that was wanted more: its name and why it isn't the one.

    Raises
    ------
    BrokenEncoderError
        No provider can run the model; the message has the reason of each.
    EnvironmentBrokenError
        See `check_environment`.
    """

    def __init__(
        self, path: Path, threads: int = 1, providers: Sequence[str] = PROVIDERS, *, fixed: bool | None = None
    ) -> None:
        check_environment()
        self.steps_down: list[str] = []
        self._fixed: FixedShapes | None = None
        available = onnxruntime.get_available_providers()
        for name in providers:
            if name not in available:
                self.steps_down.append(f"{name}: not in this onnxruntime ({', '.join(available)})")
                continue
            try:
                session = _open(path, threads, name)
            except Exception as error:
                self.steps_down.append(f"{name}: {str(error).splitlines()[0]}")
                continue
            # onnxruntime goes on without a provider whose libraries don't load, and says so nowhere else.
            if session.get_providers()[0] != name:
                self.steps_down.append(f"{name}: onnxruntime couldn't start it (driver, libraries or device missing)")
                continue
            self._session = session
            self.provider: str = name
            if name == _CUDA if fixed is None else fixed:
                dimensions = {one.name: one.shape for one in session.get_inputs()}
                opened = functools.partial(_open, path, threads, name)
                self._fixed = FixedShapes(dimensions, opened, "cpu" if name == _CPU else "cuda")
            return
        msg = f"{path} can't be loaded by onnxruntime: {'; '.join(self.steps_down)}"
        raise BrokenEncoderError(msg)

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU runs the model, which wants larger batches than a CPU."""
        return self.provider != _CPU

    @property
    def refused(self) -> str:
        """Why a shape is run as it comes although shapes are fixed; empty if none is."""
        return self._fixed.refused if self._fixed else ""

    def length(self, rows: int, longest: int, most: int | None = None) -> int:
        """Return the length, `most` at most, that a batch of so many rows is best padded to (`encoders.fixed`)."""
        return longest if self._fixed is None else length_of(rows, longest, most)

    def run(self, **inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Return the output named ``vector``."""
        if self._fixed is not None and (found := self._fixed.run(inputs)) is not None:
            return found
        (vector,) = self._session.run(["vector"], inputs)
        plain: npt.NDArray[np.float32] = vector
        return plain


def _open(
    path: Path, threads: int, provider: str, sizes: Mapping[str, int] | None = None
) -> onnxruntime.InferenceSession:
    """Open a model; with the sizes of its free dimensions as one whose batches all have that shape."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    if provider != _CPU:
        _load_libraries()
    # Operators that the provider lacks run on the CPU beside it; the provider itself is never replaced unseen.
    providers = [(provider, _options(provider, graph=bool(sizes))), *([] if provider == _CPU else [(_CPU, {})])]
    with _quiet():
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)


def _options(provider: str, *, graph: bool) -> dict[str, str]:
    if provider != _CUDA:
        return {}
    # TF32 keeps ten bits of a fraction: a golden picture of EfficientNet-lite0 is off by 1e-3 with it, of 2e-4 allowed.
    return {"use_tf32": "0", **({"enable_cuda_graph": "1"} if graph else {})}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime from writing to stderr that a provider doesn't start: `steps_down` says so."""
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


@functools.cache
def _load_libraries() -> None:
    """Load CUDA and cuDNN from the packages that pip installs; the loader doesn't look there by itself."""
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it lacks
        onnxruntime.preload_dlls()


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
