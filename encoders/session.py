"""An onnxruntime session whose provider is known, with the reason for each faster one that isn't it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from encoders.errors import BrokenEncoderError, EnvironmentBrokenError

__all__ = ["PROVIDERS", "Session", "check_environment"]

#: Fastest first.
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
_CPU = "CPUExecutionProvider"


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

    def __init__(self, path: Path, threads: int = 1, providers: Sequence[str] = PROVIDERS) -> None:
        check_environment()
        self.steps_down: list[str] = []
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
            return
        msg = f"{path} can't be loaded by onnxruntime: {'; '.join(self.steps_down)}"
        raise BrokenEncoderError(msg)

    def run(self, **inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Return the output named ``vector``."""
        (vector,) = self._session.run(["vector"], inputs)
        found: npt.NDArray[np.float32] = vector
        return found


def _open(path: Path, threads: int, provider: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Operators that the provider lacks run on the CPU beside it.
    return onnxruntime.InferenceSession(
        str(path), options, providers=[provider] if provider == _CPU else [provider, _CPU]
    )


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
