"""An onnxruntime session whose provider is known and whose answers were checked."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from encoders.errors import BrokenEncoderError, EnvironmentBrokenError

__all__ = ["Session", "check_environment"]

_WANTED = ("CUDAExecutionProvider", "CPUExecutionProvider")


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
        Threads within an operator.

    Attributes
    ----------
    provider : str
        The one that was really chosen; what is merely available may not work.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        check_environment()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        available = set(onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[name for name in _WANTED if name in available]
            )
        except Exception as error:
            msg = f"{path} can't be loaded by onnxruntime: {str(error).splitlines()[0]}"
            raise BrokenEncoderError(msg) from error
        self.provider: str = self._session.get_providers()[0]

    def run(self, **inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Return the output named ``vector``."""
        (vector,) = self._session.run(["vector"], inputs)
        found: npt.NDArray[np.float32] = vector
        return found


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
