"""Parts of a page that change while it is looked at."""

from __future__ import annotations

from nicegui.element import Element
from nicegui.elements.echart.echart import EChart

from streams.web.pages.charts import Options

__all__ = ["Chart", "Region"]


class Region(Element, component="region.js"):
    """HTML from our templates, put into the page node by node: focus, selection and what is unfolded stay.

    Parameters
    ----------
    html : str
        From `rendering.block`, which has escaped everything in it.
    within : str
        The tag it goes into.
    """

    def __init__(self, html: str = "", within: str = "div") -> None:
        super().__init__()
        self._props["html"] = html
        if within != "div":
            self._props["as"] = within
        self._update_method = "patch"

    def show(self, html: str) -> None:
        """Show other HTML; nothing is sent when it is the same."""
        if html != self._props["html"]:
            self._props["html"] = html
            self.update()


class Chart(EChart):
    """A chart as SVG: sharp at any size, and coloured by the style sheet.

    Parameters
    ----------
    classes : str
        How high it is.
    """

    def __init__(self, classes: str) -> None:
        super().__init__({}, renderer="svg")
        self._props["role"] = "img"
        self._height = classes
        self.classes(f"{classes} gone")

    def show(self, options: Options | None, said: str) -> None:
        """Show data, and say it in a sentence for those who don't see it; without data there is no chart."""
        if options == self._props["options"]:
            return
        self.classes(replace=f"nicegui-echart {self._height}" if options else f"nicegui-echart {self._height} gone")
        if options:
            # As they are: NiceGUI would wrap each list and each point into something that watches for changes.
            dict.__setitem__(self._props, "options", options)
            self._props["aria-label"] = said
        self.update()
