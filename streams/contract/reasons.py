"""Why an event is refused: a closed list, tested in this order (DESIGN 3)."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """The value of the header `dlq_reason`."""

    TOO_LARGE = "too_large"
    INVALID_UTF8 = "invalid_utf8"
    MALFORMED_JSON = "malformed_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    UNSUPPORTED_TYPE = "unsupported_type"
    MISSING_IDENTITY = "missing_identity"
    MISSING_EVENT = "missing_event"
    MISSING_GROUP_ID = "missing_group_id"
    MISSING_PREVIOUS_ID = "missing_previous_id"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TOO_MANY_PROPERTIES = "too_many_properties"
    NOT_FINITE = "not_finite"
