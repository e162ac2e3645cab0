"""All settings together, and what they amount to."""

from __future__ import annotations

from pathlib import Path

import msgspec

from streams.errors import ConfigurationError
from streams.rules import AudienceSettings, ExperienceSettings, PriceTierSettings
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
    WebSettings,
)

__all__ = ["ENV_PREFIX", "Settings"]

ENV_PREFIX = "USERPRISM_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `userprism.toml` can say."""

    data_dir: str = ".userprism"
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    intake: IntakeSettings = IntakeSettings()
    dedup: DedupSettings = DedupSettings()
    identity: IdentitySettings = IdentitySettings()
    profiler: ProfilerSettings = ProfilerSettings()
    encoder: EncoderSettings = EncoderSettings()
    control: ControlSettings = ControlSettings()
    web: WebSettings = WebSettings()
    naming: NamingSettings = NamingSettings()
    shifts: ShiftSettings = ShiftSettings()
    #: the first, or only, segmentation: its segments are the column `segment` of `profiles`
    segmentation: SegmentationSettings = SegmentationSettings()
    #: those after the first `[[segmentation]]` of the file
    other_segmentations: list[SegmentationSettings] = []
    #: empty: the default set of streams.profiles
    features: list[FeatureSettings] = []
    audiences: AudienceSettings = AudienceSettings()
    #: the first one whose conditions hold gives a person's price
    price_tiers: list[PriceTierSettings] = []
    #: the first one of each slot whose conditions hold is what a person sees
    experiences: list[ExperienceSettings] = []

    @property
    def segmentations(self) -> list[SegmentationSettings]:
        """All of them, the first one first."""
        return [self.segmentation, *self.other_segmentations]

    @property
    def data(self) -> Path:
        """The data directory as an absolute path."""
        return Path(self.data_dir).absolute()

    @property
    def run_dir(self) -> Path:
        """Where running roles leave their status and the embedded stack its addresses."""
        return self.data / "run"

    @property
    def stack_file(self) -> Path:
        """Addresses and credentials of the embedded stack, written by the supervisor (mode 0600)."""
        return self.run_dir / "stack.json"

    def require_kafka(self) -> str:
        """Return the bootstrap servers, or say every place that was looked at."""
        return self._require(self.kafka.bootstrap, "kafka.bootstrap", "KAFKA__BOOTSTRAP", "a Kafka broker")

    def require_clickhouse(self) -> str:
        """Return ClickHouse's URL, or say every place that was looked at."""
        return self._require(self.clickhouse.url, "clickhouse.url", "CLICKHOUSE__URL", "a ClickHouse server")

    def _require(self, value: str, key: str, env: str, what: str) -> str:
        if value:
            return value
        msg = (
            f"no address of {what}. Looked at: `{key}` in the configuration file, the environment variable "
            f"{ENV_PREFIX}{env}, and the embedded stack's {self.stack_file} (not running). "
            "Set one of them, run `userprism up`, or add --embedded."
        )
        raise ConfigurationError(msg)
