"""Settings: defaults, then `userprism.toml`, then environment `USERPRISM_*`, then the embedded stack's own addresses.

A nested setting's environment name joins the path with two underscores: `USERPRISM_KAFKA__BOOTSTRAP`,
`USERPRISM_CLICKHOUSE__PASSWORD`. Values are read as TOML where that parses (numbers, booleans, lists), else as text.
"""

from __future__ import annotations

from streams.settings.everything import Settings
from streams.settings.loading import load_settings
from streams.settings.sections import (
    ClickHouseSettings,
    ControlSettings,
    DedupSettings,
    EncoderSettings,
    FeatureSettings,
    IdentitySettings,
    IntakeSettings,
    KafkaSettings,
    NamingSettings,
    ProfilerSettings,
    SegmentationSettings,
    ShiftSettings,
    WebhookSettings,
    WebSettings,
)

__all__ = [
    "ClickHouseSettings",
    "ControlSettings",
    "DedupSettings",
    "EncoderSettings",
    "FeatureSettings",
    "IdentitySettings",
    "IntakeSettings",
    "KafkaSettings",
    "NamingSettings",
    "ProfilerSettings",
    "SegmentationSettings",
    "Settings",
    "ShiftSettings",
    "WebSettings",
    "WebhookSettings",
    "load_settings",
]
