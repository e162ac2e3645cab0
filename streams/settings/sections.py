"""The tables of `userprism.toml`, one class each; what a comment says of a field is its documentation."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

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
    "NamingSettings",
    "ProfilerSettings",
    "SegmentationSettings",
    "ShiftSettings",
    "WebSettings",
    "WebhookSettings",
]


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
    commit_interval_ms: int = 1_500
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


class NamingSettings(_Section, frozen=True):
    """Who rewrites segments' names; nobody does, unless `url` is set.

    What is sent is about segments, never about a person: sums over at least `least_people` people.
    """

    #: of an OpenAI-compatible endpoint, with its version and without `/chat/completions`
    url: str = ""
    model: str = ""
    #: sent as a bearer token when it is set; never logged
    api_key: str = ""
    #: private networks that the endpoint may be in, as CIDR: a model of your own
    networks: list[str] = []
    timeout_s: float = 60.0
    #: what fewer people of a segment do, read or are isn't sent; 10 at the least
    least_people: int = 10

    def __repr__(self) -> str:
        """Say where it is, and nothing that is secret."""
        return f"NamingSettings(url={self.url!r}, model={self.model!r})"


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
