"""The simulated shop: people with planted personas, and the truth about every event they send."""

from __future__ import annotations

from streams.shop.catalogue import Catalogue
from streams.shop.shop import Shop
from streams.shop.truth import Truth
from streams.shop.weeks import ShopShift, Weeks, parse_shift, weeks_people

__all__ = ["Catalogue", "Shop", "ShopShift", "Truth", "Weeks", "parse_shift", "weeks_people"]
