"""Grafana's dashboards: every panel's query runs on the real engine, and answers with what its panel draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickhouse_connect.driver.client import Client

from tests.web.conftest import reader, shop  # noqa: F401 - fixtures

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("dashboards/*.json"))}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
#: What the plugin puts in place of its macros, over the last day.
MACROS = {
    r"\$__timeFilter\((\w+)\)": r"\1 >= toDateTime(now() - 86400) AND \1 <= toDateTime(now() + 3600)",
    r"\$__timeInterval\((\w+)\)": r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)",
    r"\$\{segmentation\}": "interest",
}
EMPTY = {"Alerts"}


def expanded(sql: str) -> str:
    for macro, text in MACROS.items():
        sql = re.sub(macro, text, sql)
    assert "$" not in sql, f"an unknown macro in {sql}"
    return sql


def test_there_is_a_board_for_each_subject() -> None:
    assert set(BOARDS) == {"flows", "freshness", "pipeline", "segments"}
    for name, board in BOARDS.items():
        assert board["uid"] == f"userprism-{name}"
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{name}: {panel['title']}" for name, panel in PANELS])
def test_a_panel_has_an_answer(reader: Client, board: str, panel: dict[str, Any]) -> None:  # noqa: F811
    (target,) = panel["targets"]
    answer = json.loads(reader.raw_query(expanded(target["rawSql"]), fmt="JSON"))

    assert target["datasource"] == panel["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "userprism"}
    kinds = {column["name"]: column["type"] for column in answer["meta"]}
    if target["queryType"] == "timeseries":
        assert target["format"] == 0
        assert kinds["time"].startswith("DateTime"), kinds
        assert any(re.search("Int|Float", kind) for kind in kinds.values())
    else:
        assert target["format"] == 1
    assert bool(answer["data"]) or panel["title"] in EMPTY, f"{board}: {panel['title']} draws nothing"


def test_choices_of_a_board_have_an_answer(reader: Client) -> None:  # noqa: F811
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            assert reader.query(variable["query"]["rawSql"]).result_rows == [("interest",), ("value",)]


def test_grafana_finds_what_it_is_given() -> None:
    source = yaml.safe_load((FOLDER / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"][0]
    provider = yaml.safe_load((FOLDER / "provisioning/dashboards/userprism.yaml").read_text())["providers"][0]
    service = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["grafana"]

    assert (source["uid"], source["type"]) == ("userprism", "grafana-clickhouse-datasource")
    assert "./grafana/dashboards:" + provider["options"]["path"] + ":ro" in service["volumes"]
    asked = set(re.findall(r"\$(\w+)", json.dumps(source)))
    assert asked <= set(service["environment"])
    assert service["ports"] == ["127.0.0.1:3000:3000"]
