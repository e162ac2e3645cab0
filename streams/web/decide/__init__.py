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
from streams.web.decide.bandits import Arm, Outcomes, judge_exposures, outcomes
from streams.web.decide.because import Because, condition_of
from streams.web.decide.conditions import Condition, Definition
from streams.web.decide.experiences import (
    Experience,
    Experiences,
    Results,
    SegmentResult,
    experiences_of,
    record_experiences,
    results_of,
)
from streams.web.decide.exports import EXPORTS, Export
from streams.web.decide.prices import Price, price_of, record_price
from streams.web.decide.publishing import Published, publish_audience
from streams.web.decide.recommend import Recommendations, Recommended, recommendations

__all__ = [
    "EXPORTS",
    "Arm",
    "Audience",
    "AudienceSize",
    "Because",
    "Condition",
    "Definition",
    "Experience",
    "Experiences",
    "Export",
    "Outcomes",
    "Price",
    "Published",
    "Recommendations",
    "Recommended",
    "Results",
    "SegmentResult",
    "audience",
    "audience_people",
    "audience_size",
    "audiences",
    "condition_of",
    "delete_audience",
    "experiences_of",
    "judge_exposures",
    "outcomes",
    "price_of",
    "publish_audience",
    "recommendations",
    "record_experiences",
    "record_price",
    "results_of",
    "save_audience",
]
