"""The pages themselves, one file each: what is read, and how it is shown."""

from __future__ import annotations

from streams.web.pages.view import View
from streams.web.pages.views.alerts import ALERTS
from streams.web.pages.views.flows import FLOWS
from streams.web.pages.views.health import HEALTH
from streams.web.pages.views.map import MAP
from streams.web.pages.views.overview import OVERVIEW
from streams.web.pages.views.person import PERSON
from streams.web.pages.views.segment import SEGMENT
from streams.web.pages.views.segments import SEGMENTS
from streams.web.pages.views.stability import STABILITY

__all__ = ["VIEWS"]

#: In the order of the navigation.
VIEWS: tuple[View, ...] = (OVERVIEW, SEGMENTS, SEGMENT, FLOWS, MAP, PERSON, STABILITY, ALERTS, HEALTH)
