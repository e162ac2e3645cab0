"""`doctor`: is the environment sound, and can broker and ClickHouse do what the protocols rest on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from encoders import EncoderError, load_encoder
from encoders.session import check_environment
from streams.errors import UserprismError
from streams.kafka import end_offsets
from streams.serving.probes import PROBES
from streams.settings import Settings
from streams.storage.client import connect

__all__ = ["examine"]

_PACKAGES = ("confluent-kafka", "clickhouse-connect", "faust-streaming", "numba", "numpy", "pyarrow", "river")


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Return one entry a check: name, ok, and what was found (or what to do)."""
    return [
        _check(name, probe, settings)
        for name, probe in (
            ("python", _python),
            ("packages", _packages),
            ("onnxruntime", _onnxruntime),
            ("text encoder", _encoder),
            ("Kafka", _kafka),
            ("ClickHouse", _clickhouse),
            ("schema", _schema),
        )
    ] + _side_by_side(settings)


def _side_by_side(settings: Settings) -> list[dict[str, Any]]:
    """Ask the probes together: two of them wait for what a broker does only after some seconds."""
    with ThreadPoolExecutor(len(PROBES)) as pool:
        return list(pool.map(lambda named: _check(named[0], named[1], settings), PROBES))


def _check(name: str, probe: Callable[[Settings], str], settings: Settings) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "said": probe(settings)}
    except (UserprismError, EncoderError, LookupError, OSError) as error:
        return {"name": name, "ok": False, "said": str(error).splitlines()[0]}
    except Exception as error:
        return {
            "name": name,
            "ok": False,
            "said": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        }


def _python(_settings: Settings) -> str:
    return sys.version.split()[0]


def _packages(_settings: Settings) -> str:
    return ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def _onnxruntime(_settings: Settings) -> str:
    check_environment()
    return "one onnxruntime is installed"


def _encoder(settings: Settings) -> str:
    encoder = load_encoder(settings.encoder.text, settings.encoder.models_dir or None)
    return f"{encoder.manifest.id}, {encoder.dim} dimensions, on {encoder.provider}, golden texts agree"


def _kafka(settings: Settings) -> str:
    ends = end_offsets(settings, settings.kafka.topics.clicks)
    if len(ends) != settings.kafka.partitions:
        msg = (
            f"{settings.kafka.topics.clicks} has {len(ends)} partitions, settings say {settings.kafka.partitions}; "
            "run `userprism init`"
        )
        raise LookupError(msg)
    return f"{settings.kafka.bootstrap} answers, {settings.kafka.topics.clicks} has {len(ends)} partitions"


def _clickhouse(settings: Settings) -> str:
    with connect(settings) as client:
        return f"{settings.clickhouse.url} answers, version {client.server_version}"


def _schema(settings: Settings) -> str:
    with connect(settings) as client:
        applied = client.query("SELECT count() FROM schema_migrations FINAL").result_rows[0][0]
        rule = client.query(
            "SELECT create_table_query LIKE '%owner_holds_lease%' FROM system.tables "
            "WHERE database = currentDatabase() AND name = 'profiles'"
        ).result_rows
    if not rule or not rule[0][0]:
        msg = "the table profiles has no lease constraint; run `userprism init`"
        raise LookupError(msg)
    return f"{applied} migrations, the lease constraint is there"
