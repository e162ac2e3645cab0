"""Short videos: a few frames, evenly spread, as pictures. Decoded by PyAV (FFmpeg), from memory, within limits."""

from __future__ import annotations

import io
import time

import av
from PIL import Image

from encoders.errors import NoVectorError
from encoders.images.decode import MAX_PIXELS

__all__ = ["FRAMES", "frames"]

#: Frames that stand for a video. A short one has a few scenes; each frame costs as much as a picture.
FRAMES = 8
#: Containers that the web and phones use, by their first bytes. Playlists and the like, which name other files to
#: open, are no video here.
_CONTAINERS = ((4, b"ftyp", "mp4"), (0, b"\x1aE\xdf\xa3", "matroska"))
_SECONDS = 10.0


def frames(data: bytes, count: int = FRAMES) -> list[Image.Image]:
    """Return up to `count` frames at the middles of as many equal parts of a video.

    Parameters
    ----------
    data : bytes
        MP4, MOV, WebM or Matroska.
    count : int
        Frames wanted; a video of fewer has each of its own.

    Raises
    ------
    NoVectorError
        ``empty``; ``unsupported`` container; ``too_large``, known before a frame is decoded; ``broken``.
    """
    if not data:
        reason = "empty"
        raise NoVectorError(reason)
    name = next((name for at, magic, name in _CONTAINERS if data[at : at + len(magic)] == magic), None)
    if name is None:
        reason = "unsupported"
        raise NoVectorError(reason, "neither MP4, MOV, WebM nor Matroska")
    try:
        with av.open(io.BytesIO(data), "r", format=name, timeout=_SECONDS) as container:
            return _spread(container, count)
    except NoVectorError:
        raise
    except Exception as error:  # decoders raise av.FFmpegError, ValueError, IndexError, MemoryError, ...
        reason = "broken"
        raise NoVectorError(reason, str(error)) from error


def _spread(container: av.container.InputContainer, count: int) -> list[Image.Image]:
    if not container.streams.video:
        reason = "unsupported"
        raise NoVectorError(reason, "no pictures in it")
    stream = container.streams.video[0]
    if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
        reason = "too_large"
        raise NoVectorError(reason, f"{stream.codec_context.width} x {stream.codec_context.height} pixels")
    stream.thread_type = "NONE"  # one core is what an encoder may take
    start = stream.start_time or 0
    length = stream.duration or 0
    if not length and container.duration and stream.time_base:  # Matroska says it of the whole only, in microseconds
        length = int(container.duration / 1_000_000 / stream.time_base)
    wanted = [start + (2 * i + 1) * length // (2 * count) for i in range(count)] if length else []
    found: dict[int, Image.Image] = {}
    until = time.monotonic() + _SECONDS
    for at in wanted or [start]:
        container.seek(at, stream=stream)
        shown = None  # at that time: the last frame that isn't later
        for frame in container.decode(stream):
            if time.monotonic() > until:
                reason = "too_large"
                raise NoVectorError(reason, f"it takes more than {_SECONDS:.0f} s to look at")
            if shown is not None and frame.pts is not None and frame.pts > at:
                break
            shown = frame
        if shown is not None and (shown.pts or 0) not in found:
            found[shown.pts or 0] = Image.fromarray(shown.to_ndarray(format="rgb24"))
    if not found:
        reason = "broken"
        raise NoVectorError(reason, "no frame can be decoded")
    return [found[pts] for pts in sorted(found)]
