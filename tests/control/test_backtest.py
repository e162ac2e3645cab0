"""`shifts backtest` finds in the stored history what detection told of; silences through the command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from streams.cli import cli
from streams.commands.shifts import backtest, backtest_text, matchers_of
from streams.control.shifts import Detection
from streams.errors import InputError
from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.alerts import firing_alerts
from tests.control.test_detection import AT, BEGIN, fill, first_fit


def begin(settings: Settings) -> None:
    initialise(settings)
    with connect(settings) as client:
        first_fit(client)


def test_history_judged_again_says_what_was_told_and_other_knobs_say_less(settings: Settings) -> None:
    begin(settings)
    with connect(settings) as client:
        fill(client, 0, AT + 4)
        detection = Detection(settings)
        assert detection.look()
        detection.close()
        (told,) = firing_alerts(client)

        since = BEGIN + timedelta(days=15)
        found = backtest(settings, "", since, {})
        (alert,) = found["alerts"]
        assert (alert["fingerprint"], alert["alertname"]) == (told.fingerprint, "SegmentShareShift")
        assert alert["starts_at"] == (BEGIN + timedelta(hours=AT)).isoformat()
        assert alert["ends_at"] is None
        assert found["intervals"] == 9 + 4
        assert "1 alerts in 13 intervals" in backtest_text(found)

        assert backtest(settings, "interest", since, {"floor": 0.5})["alerts"] == []
        assert firing_alerts(client) == [told]  # nothing was written

    with pytest.raises(InputError, match="nope"):
        backtest(settings, "nope", since, {})
    with pytest.raises(InputError, match="nobody was active"):
        backtest(settings, "", since + timedelta(days=400), {})


def test_a_silence_is_made_shown_and_ended_by_command(settings: Settings, tmp_path: Path) -> None:
    initialise(settings)
    env = {
        f"USERPRISM_CLICKHOUSE__{name.upper()}": str(getattr(settings.clickhouse, name))
        for name in ("url", "user", "password", "database")
    }

    def answer(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, ["silences", *arguments, "--json", "--data-dir", str(tmp_path)], env=env)
        assert done.exit_code == 0, done.output
        return msgspec.json.decode(done.stdout.splitlines()[-1])

    made = answer("add", "alertname=SegmentInflow", "segment=12", "--duration", "2h", "--comment", "campaign")
    assert made["matchers"] == {"alertname": "SegmentInflow", "segment": "12"}
    assert answer("list")["silences"] == [made]
    assert answer("expire", made["id"]) == {"id": made["id"], "expired": True}
    assert answer("list") == {"silences": []}
    assert [one["id"] for one in answer("list", "--expired")["silences"]] == [made["id"]]


@pytest.mark.parametrize("text", ["segment", "=12", "segment=~1.*", "a b=c"])
def test_a_matcher_that_is_none_is_named(text: str) -> None:
    with pytest.raises(InputError, match="must be label=value"):
        matchers_of([text])
