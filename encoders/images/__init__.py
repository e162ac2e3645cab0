"""Pictures, from wherever they are to the array a model takes: `source`, `fetch` over http(s), `decode`.

Whoever sends events is untrusted, so each step has a limit and says which one was met.
"""

from __future__ import annotations

from encoders.images.decode import decode, to_array
from encoders.images.fetch import Fetcher, FetchPolicy
from encoders.images.pixels import PixelReader
from encoders.images.source import ImageContent, ImageSource

__all__ = ["FetchPolicy", "Fetcher", "ImageContent", "ImageSource", "PixelReader", "decode", "to_array"]
