"""The pages: `attach` serves them from a FastAPI app.

A view (`views`) reads, then turns what it read into HTML and charts; it knows no framework. `feeds` lets all who
look at the same view share one reader, `shell` is the frame around them and builds pages with NiceGUI.
"""

from __future__ import annotations

from streams.web.pages.attaching import attach

__all__ = ["attach"]
