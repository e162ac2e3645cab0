"""What is decided from profiles: recommendations, audiences, prices and experiences; each decision says why."""

from __future__ import annotations

from streams.web.decide.audiences import (
    Audience,
    AudienceSize,
    audience,
    audience_people,
    audience_size,
    audiences,
    delete_audience,
    save_audience,
)
from streams.web.decide.conditions import Condition, Definition
from streams.web.decide.exports import EXPORTS, Export
from streams.web.decide.offers import (
    Because,
    Experience,
    Experiences,
    Price,
    experiences_of,
    price_of,
    record_price,
)
from streams.web.decide.recommend import Recommendations, Recommended, recommendations

__all__ = [
    "EXPORTS",
    "Audience",
    "AudienceSize",
    "Because",
    "Condition",
    "Definition",
    "Experience",
    "Experiences",
    "Export",
    "Price",
    "Recommendations",
    "Recommended",
    "audience",
    "audience_people",
    "audience_size",
    "audiences",
    "delete_audience",
    "experiences_of",
    "price_of",
    "recommendations",
    "record_price",
    "save_audience",
]
