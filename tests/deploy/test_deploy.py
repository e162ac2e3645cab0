"""What deploy/ holds fits the program: roles, settings and schema are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli import cli
from streams.settings import Settings, load_settings
from streams.storage import connect, initialise
from streams.storage.cluster import cluster_ddl
from streams.storage.schema import migrations, statements

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ROLES = {"intake", "encoder", "profiler", "control", "web"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_compose_runs_every_role_after_init(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert set(services) == {"kafka", "clickhouse", "init", *ROLES}
    for name in (*ROLES, "init"):
        assert services[name]["command"] == [name]
        assert name in cli.commands
    for name in ROLES:
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"


def test_compose_speaks_settings_that_exist(compose: dict[str, Any]) -> None:
    environment = {
        name: re.sub(r"\$\{(\w+):\?.*\}", "secret", str(value))
        for name, value in compose["services"]["intake"]["environment"].items()
    }
    settings = load_settings(environ=environment)

    assert settings.kafka.bootstrap == "kafka:9092"
    assert settings.clickhouse.url == "http://clickhouse:8123"
    assert settings.clickhouse.password == "secret"
    assert str(settings.data) == "/var/lib/userprism"


def test_compose_pins_images_and_publishes_on_loopback_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.search(r":\d+\.\d+", service["image"]), f"{name}: {service['image']} names no version"
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port} to everybody"


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert str(value).startswith("${CLICKHOUSE_PASSWORD:?")


def test_the_image_holds_what_the_roles_need() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY --chown=userprism (\w+) \1$", text, re.MULTILINE))

    assert copied == {"streams", "encoders", "online_models"}
    assert "-c constraints.txt" in text
    assert re.search(r"^USER userprism$", text, re.MULTILINE)


def test_the_cluster_schema_is_made_from_the_migrations() -> None:
    written = statements((DEPLOY / "clickhouse" / "cluster.sql").read_text(encoding="utf-8"))
    of_one_node = [statement for _, text in migrations() for statement in statements(text)]

    assert written == cluster_ddl(), "run `python -m streams.storage.cluster > deploy/clickhouse/cluster.sql`"
    assert len(written) > len(of_one_node)
    assert not any(re.search(r"ENGINE = ReplacingMergeTree", statement) for statement in written)


def test_clickhouse_reads_every_statement_of_the_cluster_schema(settings: Settings) -> None:
    initialise(settings)
    with connect(settings) as client:
        for statement in cluster_ddl():
            formatted = client.query("SELECT formatQuery({text:String})", parameters={"text": statement})
            assert "ON CLUSTER" in formatted.result_rows[0][0]
