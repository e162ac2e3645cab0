"""Where a picture's bytes are: inline, in a data URL, in a local file, or behind http(s)."""

from __future__ import annotations

import base64
import binascii
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from PIL import Image

from encoders.errors import NoVectorError
from encoders.images.fetch import Fetcher

__all__ = ["ImageContent", "ImageSource"]

#: Bytes of a picture, where they are, or the picture itself (a frame of a video).
ImageContent = bytes | str | Path | Image.Image

_MAX_BYTES = 20_000_000


class ImageSource:
    """Finds a picture's bytes; with the defaults it reads what is inline and refuses to look anywhere else.

    Parameters
    ----------
    folders : sequence of Path
        Local files are read from these and below, links resolved.
    fetcher : Fetcher, optional
        Reads http(s).
    max_bytes : int
        Larger pictures are too large.
    """

    def __init__(
        self, folders: tuple[Path, ...] = (), fetcher: Fetcher | None = None, max_bytes: int = _MAX_BYTES
    ) -> None:
        self._folders = tuple(folder.resolve() for folder in folders)
        self._fetcher = fetcher
        self._max_bytes = max_bytes

    def read(self, content: ImageContent) -> bytes:
        """Return the bytes.

        Raises
        ------
        NoVectorError
            ``empty``, ``too_large``, ``broken``, ``refused`` or ``unreachable``.
        """
        if isinstance(content, bytes):
            return self._fitting(content)
        if isinstance(content, Path):
            return self._file(content)
        if not isinstance(content, str):
            reason = "broken"
            raise NoVectorError(reason, f"{type(content).__name__} is no picture")
        if not content.strip():
            reason = "empty"
            raise NoVectorError(reason)
        scheme = content[:8].partition(":")[0].lower()
        if scheme == "data":
            return self._data_url(content)
        if scheme in {"http", "https"}:
            if self._fetcher is None:
                reason = "refused"
                raise NoVectorError(reason, "fetching is off")
            return self._fitting(self._fetcher.fetch(content))
        if scheme == "file":
            return self._file(Path(url2pathname(urlsplit(content).path)))
        if "://" in content[:64]:
            reason = "refused"
            raise NoVectorError(reason, f"scheme {scheme!r}")
        return self._file(Path(content))

    def _data_url(self, url: str) -> bytes:
        # Four characters of base64 are three bytes; percent-encoded ones up to nine.
        if len(url) > 3 * self._max_bytes + 200:
            reason = "too_large"
            raise NoVectorError(reason, f"a data URL of {len(url):,} characters")
        head, comma, body = url.partition(",")
        try:
            if not comma:
                reason = "broken"
                raise NoVectorError(reason, "a data URL without a comma")
            if head.lower().endswith(";base64"):
                return self._fitting(base64.b64decode(unquote_to_bytes(body), validate=True))
            return self._fitting(unquote_to_bytes(body))
        except (binascii.Error, ValueError) as error:
            reason = "broken"
            raise NoVectorError(reason, str(error)) from error

    def _file(self, path: Path) -> bytes:
        try:
            real = path.resolve()
            if not any(real.is_relative_to(folder) for folder in self._folders):
                reason = "refused"
                raise NoVectorError(reason, "a file outside the folders that are allowed")
            found = real.stat()
            if not stat.S_ISREG(found.st_mode):
                reason = "refused"
                raise NoVectorError(reason, "no regular file")
            if found.st_size > self._max_bytes:
                reason = "too_large"
                raise NoVectorError(reason, f"{found.st_size:,} bytes")
            return self._fitting(real.read_bytes())
        except (OSError, ValueError) as error:
            reason = "unreachable"
            raise NoVectorError(reason, str(error)) from error

    def _fitting(self, data: bytes) -> bytes:
        if len(data) > self._max_bytes:
            reason = "too_large"
            raise NoVectorError(reason, f"{len(data):,} bytes")
        if not data:
            reason = "empty"
            raise NoVectorError(reason)
        return data
