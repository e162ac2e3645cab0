"""Names for segments, made from evidence: what its people read that others don't, and how they differ otherwise.

Pure functions. A name always comes with the terms and lifts it was made of, so that a page can show them beside it.
"""

from __future__ import annotations

from streams.web.naming.asking import Told, answer_of, question, told_of
from streams.web.naming.lifts import Lift, lift_of
from streams.web.naming.names import Evidence, SegmentName, as_written, keep_names, name_segments
from streams.web.naming.terms import Term, distinctive_terms, language_of

__all__ = [
    "Evidence", "Lift", "SegmentName", "Term", "Told", "answer_of", "as_written", "distinctive_terms", "keep_names",
    "language_of", "lift_of", "name_segments", "question", "told_of",
]  # fmt: skip
