"""Settings: defaults, then `userprism.toml`, then environment `USERPRISM_*`, then the embedded stack's own addresses.

A nested setting's environment name joins the path with two underscores: `USERPRISM_KAFKA__BOOTSTRAP`,
`USERPRISM_CLICKHOUSE__PASSWORD`. Values are read as TOML where that parses (numbers, booleans, lists), else as text.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from streams.errors import ConfigurationError
from streams.rules import ExperienceSettings, PriceTierSettings, check_rules
from streams.topics import Topics

__all__ = [
    "ClickHouseSettings",
    "ControlSettings",
    "DedupSettings",
    "EncoderSettings",
    "FeatureSettings",
    "IdentitySettings",
    "IntakeSettings",
    "KafkaSettings",
    "ProfilerSettings",
    "SegmentationSettings",
    "Settings",
    "ShiftSettings",
    "WebSettings",
    "WebhookSettings",
    "load_settings",
]

ENV_PREFIX = "USERPRISM_"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; an unknown key is an error, not a silent default."""


class KafkaSettings(_Section, frozen=True):
    """Where the broker is and how topics are named."""

    bootstrap: str = ""
    events_topic: str = "events"
    prefix: str = "userprism"
    partitions: int = 4
    replication: int = 1
    session_timeout_ms: int = 10_000
    #: how long `userprism.clicks` keeps blocks; must exceed the dedup window plus the longest outage to survive
    clicks_retention_s: int = 86_400
    #: passed to librdkafka as it is (security.protocol, sasl.*, ssl.*)
    client: dict[str, str | int | bool] = {}

    @property
    def topics(self) -> Topics:
        """Topic names under these settings."""
        return Topics(self.events_topic, self.prefix)


class ClickHouseSettings(_Section, frozen=True):
    """Where ClickHouse's HTTP interface is."""

    url: str = ""
    database: str = "userprism"
    user: str = "default"
    password: str = ""
    #: a user that may only read; `sql` uses it. Empty: the same as `user`, with readonly=1
    reader_user: str = ""
    reader_password: str = ""


class IntakeSettings(_Section, frozen=True):
    """How intake reads and cuts blocks."""

    instance_id: str = "intake-0"
    #: of its producer; empty: its instance id, so that a twin is fenced. The embedded stack gives each life another one
    transactional_id: str = ""
    #: per transaction; 20,000 cost the profiler a fifth less than 10,000, and intake no more
    batch_events: int = 20_000
    #: a Kafka transaction is committed at the latest after this many ms
    linger_ms: int = 100
    max_event_bytes: int = 1_000_000
    max_properties: int = 1_000
    max_depth: int = 32
    max_id_bytes: int = 512
    #: of one value; more are refused together, as one dead letter (too_large)
    max_batch_events: int = 1_000
    #: events further in the future than this are clamped to the record time and counted
    future_tolerance_s: int = 600


class DedupSettings(_Section, frozen=True):
    """How far back a repeated message id is recognised."""

    window_s: int = 600
    max_ids: int = 20_000_000


class IdentitySettings(_Section, frozen=True):
    """How many anonymous ids one person may gather; what is beyond stays a person of its own."""

    #: ids that were merged or are about to be
    max_merges: int = 100
    #: ids that are remembered at all, the refused ones included
    max_ids: int = 1_000
    #: new ids within seven days of event time; one that is refused for this is asked again when it comes again
    max_new_ids_a_week: int = 5
    #: e-mail addresses are identifiers too: intake writes SHA-256 of each one in its place, wherever in an event it is
    hashed_emails: bool = False


class ProfilerSettings(_Section, frozen=True):
    """How the profiler reads, commits and holds its lease."""

    instance_id: str = "profiler-0"
    #: a commit writes each person who came since the last one: half as many commits, nearly half as many rows
    commit_interval_ms: int = 2_000
    lease_margin_ms: int = 2_000
    #: a block that can't be read: stop until somebody has looked, or set it aside as a dead letter that counts nowhere
    corrupt_blocks: Literal["stop", "dead_letter"] = "stop"
    #: lease off only for tests that show that versions alone keep the tables right
    lease: bool = True


class EncoderSettings(_Section, frozen=True):
    """Which encoder reads text, and how much processor it may take."""

    instance_id: str = "encoder-0"
    #: a text or a multimodal encoder; `encoders switch` changes it while everything runs
    text: str = "text"
    #: an image encoder beside a text one; empty: pictures are looked at by a multimodal encoder only
    image: str = ""
    #: pieces of content that are worked on beside each other
    threads: int = 1
    #: hosts that pictures and videos may be fetched from (`*.example.com`: all below it); data URLs are always read
    image_hosts: list[str] = []
    #: private networks that may be asked as well, as CIDR: an image server of your own
    image_networks: list[str] = []
    #: folders that local files (`file:` URLs) may be read from
    image_folders: list[str] = []
    batch: int = 32
    #: niceness of the encoder process: content may wait, clicks may not
    nice: int = 19
    models_dir: str = ""


class WebhookSettings(_Section, frozen=True):
    """A receiver of alerts, as Alertmanager's webhooks are."""

    name: str
    url: str
    #: sent in this header when it is set; neither is ever logged
    secret: str = ""
    secret_header: str = "Authorization"  # noqa: S105 - a header's name
    #: alerts that share these labels come together
    group_by: list[str] = msgspec.field(default_factory=lambda: ["alertname", "segmentation"])
    #: an alert that goes on is told again after so long
    repeat_s: int = 14_400
    timeout_s: float = 10.0

    def __repr__(self) -> str:
        """Say who it is, and nothing that is secret."""
        return f"WebhookSettings(name={self.name!r})"


class ControlSettings(_Section, frozen=True):
    """The Faust app that coordinates, and whom it tells of alerts."""

    instance_id: str = "control-0"
    webhooks: list[WebhookSettings] = []
    #: hosts that webhooks may be at (`*.example.com`: all below it), and their ports
    webhook_hosts: list[str] = []
    webhook_ports: list[int] = msgspec.field(default_factory=lambda: [443, 80])
    #: private networks that they may be in as well, as CIDR
    webhook_networks: list[str] = []
    #: where people find out more; part of every notification
    external_url: str = ""
    #: where there are several profilers, their models are merged after so many vectors, or after so many seconds
    merge_vectors: int = 10_000
    merge_s: float = 60.0


class WebSettings(_Section, frozen=True):
    """The page and the API."""

    instance_id: str = "web-0"
    #: loopback: who can reach it, reads the page; the API asks for a token everywhere
    host: str = "127.0.0.1"
    #: the embedded stack takes another one when this is taken
    port: int = 8642
    #: names that the page may be called by besides loopback's, e.g. "segments.example.com"; others are refused
    hosts: list[str] = []
    #: requests of one token (or, without one, of one address) a minute, and at once
    rate_per_minute: int = 600
    burst: int = 60


class ShiftSettings(_Section, frozen=True):
    """Which shifts of segments somebody wants to hear of, and how often for nothing."""

    #: people are counted per interval of event time so long; what is compared is one of them, or several together
    interval_s: int = 3_600
    #: expected time between two false alarms of one segmentation; all its tests share it
    false_alarm_every: str = "365d"
    #: total variation of shares, or part of the people, below which nobody would act
    floor: float = 0.03
    #: an interval is judged when event time is so far past its end
    lateness_s: int = 300
    #: so long without an event, by the wall, is silence; 0: never
    silence_s: int = 7_200


class FeatureSettings(_Section, frozen=True):
    """One declared feature; `kind` names the algebra, the rest are its parameters."""

    name: str
    kind: str
    by: list[str] = []
    of: str = ""
    half_lives: list[str] = []
    events: list[str] = []
    buckets: int = 0
    gap: str = ""
    window: str = ""
    keys: list[str] = []
    options: dict[str, Any] = {}


class SegmentationSettings(_Section, frozen=True):
    """A model behind segments, and the parts of the vector it sees."""

    #: key column `segmentation` of every table about segments
    name: str = "interest"
    #: "kmeans", "dbstream" (segment -1: unlike the others), or a clusterer of River's such as "river.cluster.CluStream"
    model: str = "kmeans"
    #: what a dbstream or a model of River's is made with, beside n_clusters and seed where it takes them
    options: dict[str, Any] = {}
    #: features that the part `behaviour` is made of, by name ("events": how many); empty: all of them
    columns: list[str] = []
    n_clusters: int = 8
    rate: float = 0.01
    #: "strict" is refused with the reason: it can't be fitted; `online_models.KMeans` has it
    mode: Literal["adaptive", "strict"] = "adaptive"
    seed: int = 7
    #: weight of each part of the person's vector; `latent` is there once `models train` has run
    parts: dict[str, float] = msgspec.field(
        default_factory=lambda: {"behaviour": 1.0, "categories": 0.4, "interest": 1.0, "latent": 1.0}
    )
    interest_dim: int = 32
    touches: int = 64
    touch_half_life: str = "14d"
    ewma: float = 0.3
    margin: float = 0.1


class Settings(_Section, frozen=True):
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
    shifts: ShiftSettings = ShiftSettings()
    #: the first, or only, segmentation: its segments are the column `segment` of `profiles`
    segmentation: SegmentationSettings = SegmentationSettings()
    #: those after the first `[[segmentation]]` of the file
    other_segmentations: list[SegmentationSettings] = []
    #: empty: the default set of streams.profiles
    features: list[FeatureSettings] = []
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


def load_settings(
    path: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read settings from all their sources.

    Parameters
    ----------
    path : str or Path, optional
        The TOML file. Default: `$USERPRISM_CONFIG`, else `userprism.toml` in the working directory if it exists.
    overrides : mapping, optional
        Nested values from the command line; they win over everything else.
    environ : mapping, optional
        Stands in for `os.environ`.

    Raises
    ------
    ConfigurationError
        A file that was asked for is missing or broken, a key is unknown, a value has the wrong type, or
        two settings contradict each other.
    """
    env = os.environ if environ is None else environ
    chosen = path or env.get(f"{ENV_PREFIX}CONFIG") or ("userprism.toml" if Path("userprism.toml").exists() else None)
    tree: dict[str, Any] = _first_apart(_read_file(Path(chosen))) if chosen else {}
    for name, text in env.items():
        if name.startswith(ENV_PREFIX) and name.removeprefix(ENV_PREFIX).split("__")[0].lower() in _TOP_LEVEL:
            _merge(tree, _nest(name.removeprefix(ENV_PREFIX).lower().split("__"), _parse_value(text)))
    _merge(tree, dict(overrides or {}))
    settings = _convert(_with_stack(tree, _convert(tree, chosen)), chosen)
    _check(settings)
    return settings


_TOP_LEVEL = set(Settings.__struct_fields__)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"the configuration file {path} doesn't exist; check --config or create it"
        raise ConfigurationError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise ConfigurationError(msg) from None


#: What a file sets in the first segmentation, for all.
_SHARED = ("interest_dim", "touches", "touch_half_life")


def _first_apart(tree: dict[str, Any]) -> dict[str, Any]:
    """Read `[[segmentation]]`, several tables of one name, as the first one and the others."""
    declared = tree.get("segmentation")
    if isinstance(declared, list) and all(isinstance(one, dict) for one in declared):
        shared = {name: declared[0][name] for name in _SHARED if name in declared[0]}
        others = [{**shared, **other} for other in declared[1:]]
        tree = {**tree, "segmentation": declared[0], "other_segmentations": others}
    return tree


def _convert(tree: dict[str, Any], source: str | Path | None) -> Settings:
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        msg = f"{error} (settings from {source or 'defaults'} and {ENV_PREFIX}* variables)"
        raise ConfigurationError(msg) from None


def _with_stack(tree: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Fill in the embedded stack's addresses where nothing else gave any."""
    if (settings.kafka.bootstrap and settings.clickhouse.url) or not settings.stack_file.exists():
        return tree
    stack = msgspec.json.decode(settings.stack_file.read_bytes())
    if not settings.kafka.bootstrap:
        tree.setdefault("kafka", {}).update(stack.get("kafka", {}))
    if not settings.clickhouse.url:
        tree.setdefault("clickhouse", {}).update(stack.get("clickhouse", {}))
    return tree


def _check(settings: Settings) -> None:
    kafka, dedup = settings.kafka, settings.dedup
    if kafka.clicks_retention_s <= dedup.window_s:
        msg = (
            f"kafka.clicks_retention_s = {kafka.clicks_retention_s} must exceed dedup.window_s = {dedup.window_s}: "
            "restoring rebuilds the dedup window from the blocks before the stored position"
        )
        raise ConfigurationError(msg)
    _check_segmentations(settings.segmentations)
    check_rules(settings.price_tiers, settings.experiences)
    if not 60 <= settings.shifts.interval_s <= 86_400 or 86_400 % settings.shifts.interval_s:
        msg = f"shifts.interval_s = {settings.shifts.interval_s} must divide a day, and be a minute or longer"
        raise ConfigurationError(msg)
    if settings.profiler.lease_margin_ms >= kafka.session_timeout_ms:
        msg = (
            f"profiler.lease_margin_ms = {settings.profiler.lease_margin_ms} must be below "
            f"kafka.session_timeout_ms = {kafka.session_timeout_ms}"
        )
        raise ConfigurationError(msg)


def _check_segmentations(declared: list[SegmentationSettings]) -> None:
    first = declared[0]
    names = [segmentation.name for segmentation in declared]
    for one in declared:
        where = f"segmentation {one.name!r}"
        if not _NAME.fullmatch(one.name) or names.count(one.name) > 1:
            msg = f"{where}: a name is small letters, digits and underscores, and no two have the same"
            raise ConfigurationError(msg)
        if one.model not in {"kmeans", "dbstream"} and not one.model.startswith("river.cluster."):
            msg = f'{where}: model = {one.model!r} must be "kmeans", "dbstream" or "river.cluster." and a class'
            raise ConfigurationError(msg)
        if one.options and one.model == "kmeans":
            msg = f"{where}: options are for dbstream and River's models; kmeans takes n_clusters, rate, mode, seed"
            raise ConfigurationError(msg)
        if one.mode == "strict":
            msg = (
                f"{where}: mode = \"strict\" is River's k-means bit for bit: it starts anywhere and can't be "
                "fitted to the people there are, nor follow another encoder. Leave mode out; "
                "online_models.KMeans has it for arrays of your own"
            )
            raise ConfigurationError(msg)
        shared = (one.interest_dim, one.touches, one.touch_half_life)
        if shared != (first.interest_dim, first.touches, first.touch_half_life):
            msg = f"{where}: interest_dim, touches and touch_half_life are set in the first segmentation, for all"
            raise ConfigurationError(msg)


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _nest(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
