"""Settings that contradict each other, or ask for what there isn't: said before anything starts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from streams.errors import ConfigurationError
from streams.rules import check_rules
from streams.settings.everything import Settings
from streams.settings.sections import NamingSettings, SegmentationSettings

__all__ = ["check"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LEAST_PEOPLE = 10


def check(settings: Settings) -> None:
    """Raise `ConfigurationError` for the first thing that can't be."""
    kafka, dedup = settings.kafka, settings.dedup
    if kafka.clicks_retention_s <= dedup.window_s:
        msg = (
            f"kafka.clicks_retention_s = {kafka.clicks_retention_s} must exceed dedup.window_s = {dedup.window_s}: "
            "restoring rebuilds the dedup window from the blocks before the stored position"
        )
        raise ConfigurationError(msg)
    _check_segmentations(settings.segmentations)
    _check_naming(settings.naming)
    check_rules(settings.price_tiers, settings.experiences, settings.audiences.consent)
    _check_bandits(settings)
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


def _check_bandits(settings: Settings) -> None:
    rewards = [feature.name for feature in settings.features if feature.kind == "rfm"]
    for one in settings.experiences:
        if one.variants and settings.features and one.reward not in rewards:
            msg = f"experiences {one.name!r}: reward = {one.reward!r} isn't one of the features of kind rfm: {rewards}"
            raise ConfigurationError(msg)
        names = [segmentation.name for segmentation in settings.segmentations]
        if one.segmentation and one.segmentation not in names:
            msg = f"experiences {one.name!r}: segmentation = {one.segmentation!r} isn't one of {', '.join(names)}"
            raise ConfigurationError(msg)


def _check_naming(naming: NamingSettings) -> None:
    if naming.url and (urlsplit(naming.url).scheme not in {"http", "https"} or not urlsplit(naming.url).hostname):
        msg = f'naming.url = {naming.url!r} must be like "https://host/v1"'
        raise ConfigurationError(msg)
    if naming.url and not naming.model:
        msg = f"naming.url = {naming.url!r} needs naming.model: which of its models is to write names"
        raise ConfigurationError(msg)
    if naming.least_people < _LEAST_PEOPLE:
        msg = f"naming.least_people = {naming.least_people} must be {_LEAST_PEOPLE} or more: fewer are persons"
        raise ConfigurationError(msg)
