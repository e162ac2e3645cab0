from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from streams.embedded import role_process
from streams.embedded.supervisor import Supervisor
from streams.errors import AlreadyRunningError, StateError, UnavailableError
from streams.kafka import end_offsets
from streams.settings import Settings, load_settings
from streams.storage.client import connect
from streams.telemetry import instances, read_statuses
from tests.embedded.common import (
    BROKEN_ROLE,
    DEAF_ROLE,
    GOOD_ROLE,
    SPARE_ROLE,
    WRONG_ROLE,
    commands,
    processes_of,
    wait_for,
)

IDS = {"profiler": "USERPRISM_PROFILER__INSTANCE_ID", "intake": "USERPRISM_INTAKE__INSTANCE_ID"}


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "home"))


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_starts_everything_and_leaves_nothing_behind(home: Settings) -> None:
    with Supervisor(home, role_command=commands(home)) as stack:
        stack.start_roles()
        told: list[dict[str, bool]] = []
        assert stack.wait_ready(60, told.append)
        assert told[-1] == dict.fromkeys(("web", "encoder", "control", "profiler", "intake"), True)
        assert sorted(read_statuses(home.run_dir)) == ["control", "encoder", "intake", "profiler", "web"]
        assert stat.S_IMODE(home.stack_file.stat().st_mode) == 0o600
        found = load_settings(overrides={"data_dir": home.data_dir}, environ={})
        assert found.kafka.bootstrap == stack.settings.kafka.bootstrap
        assert found.clickhouse == stack.settings.clickhouse
        assert set(end_offsets(found, "userprism.clicks")) == {0, 1, 2, 3}
        with connect(found, reader=True) as client:
            assert client.query("SELECT count() FROM current_profiles").result_rows == [(0,)]
        assert len(processes_of(home.data)) >= 6
    assert processes_of(home.data) == []
    assert psutil.Process().children(recursive=True) == [] or not processes_of(home.data)
    assert not home.stack_file.exists()
    assert f"kafka {found.kafka.bootstrap}" in (home.data / "logs" / "intake.log").read_text().replace('"', "")
    assert "stopped" in (home.data / "logs" / "intake.log").read_text()


def test_a_restart_keeps_ports_passwords_and_data(home: Settings) -> None:
    with Supervisor(home) as stack:
        before = stack.settings
        with connect(before) as client:
            client.command("INSERT INTO cluster_facts (name, value) VALUES ('planet', 'Mars')")
    with Supervisor(home) as stack:
        # the page's port is everybody's: another stack may have it by now
        assert msgspec.structs.replace(stack.settings, web=before.web) == before
        with connect(before) as client:
            rows = client.query("SELECT value FROM cluster_facts WHERE name = 'planet'").result_rows
        assert rows == [("Mars",)]


def test_a_second_owner_is_refused(home: Settings) -> None:
    with (
        Supervisor(home, broker=False),
        pytest.raises(AlreadyRunningError, match=rf"{home.data_dir} \(process {os.getpid()}\).*--data-dir"),
    ):
        Supervisor(home, broker=False).start()
    with Supervisor(home, broker=False) as stack:
        assert stack.clickhouse is not None
        assert stack.broker is None


def test_a_killed_role_comes_back(home: Settings) -> None:
    with Supervisor(home, ("profiler", "intake"), role_command=commands(home)) as stack:
        stack.start_roles()
        stack.wait_ready(60)
        victim, other = stack.roles["profiler"].pid, stack.roles["intake"].pid
        assert victim is not None
        _kill(victim)
        wait_for(lambda: not psutil.pid_exists(victim) or not _check(stack, "profiler", victim), "its end")
        stack.wait_ready(60)
        assert stack.roles["profiler"].pid not in {victim, None}
        assert stack.roles["profiler"].restarts == 1
        assert stack.roles["intake"].pid == other
    assert processes_of(home.data) == []


def _check(stack: Supervisor, role: str, pid: int) -> bool:
    stack.check()
    return stack.roles[role].pid == pid


@pytest.mark.parametrize(("script", "says"), [(BROKEN_ROLE, "sunflower"), (WRONG_ROLE, "--petals")])
def test_a_role_that_can_not_start_is_reported_with_its_log(home: Settings, script: str, says: str) -> None:
    with Supervisor(home, ("intake",), role_command=commands(home, intake=script)) as stack:
        stack.start_roles()
        with pytest.raises(StateError, match=rf"(?s)intake can't start.*intake\.log.*{says}"):
            stack.wait_ready(60)
        with pytest.raises(StateError, match="intake can't start"):
            stack.check()


def test_waiting_has_an_end(home: Settings) -> None:
    idle = "import time; print('dreaming', flush=True); time.sleep(600)"
    with Supervisor(home, ("encoder",), role_command=commands(home, encoder=idle)) as stack:
        stack.start_roles()
        log = home.data / "logs" / "encoder.log"
        wait_for(lambda: log.exists() and "dreaming" in log.read_text(), "its first words")
        with pytest.raises(UnavailableError, match=r"(?s)encoder: not ready.*dreaming"):
            stack.wait_ready(0.3)


def test_a_role_that_does_not_obey_is_killed(home: Settings) -> None:
    stack = Supervisor(home, role_command=commands(home, intake=DEAF_ROLE, profiler=DEAF_ROLE))
    stack.start()
    stack.start_roles()
    stack.wait_ready(60)
    started = time.monotonic()
    stack.stop()
    assert time.monotonic() - started < 5  # the promise itself, not a timing of ours
    assert processes_of(home.data) == []


def test_roles_start_and_stop_by_name(home: Settings) -> None:
    with Supervisor(home, role_command=commands(home)) as stack:
        assert dict(stack.roles) == {}
        stack.start_roles(["intake"])
        stack.start_roles(["encoder"], env={"COLOUR": "blue"})
        stack.wait_ready(60)
        stack.stop_roles(["intake"])
        assert set(stack.roles) == {"encoder"}
        assert set(read_statuses(home.run_dir)) == {"encoder"}


def test_a_spare_process_takes_the_place_of_one_that_dies(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role_process, "_SPARE_AFTER_S", 0.0)
    monkeypatch.setattr(role_process, "_HOLD_EVERY_S", 0.0)
    with Supervisor(
        home, ("profiler", "intake"), role_command=commands(home, profiler=SPARE_ROLE), spares=True
    ) as stack:
        stack.start_roles()
        stack.wait_ready(60)
        profiler = stack.roles["profiler"]

        def stands_by() -> int | None:
            stack.check()
            return profiler.spare_pid

        spare = wait_for(stands_by, "a spare process")
        assert stack.roles["intake"].spare_pid is None
        assert read_statuses(home.run_dir)["profiler"]["pid"] == profiler.pid  # the spare one says nothing
        _kill(profiler.pid or 0)
        wait_for(lambda: stack.check() or profiler.restarts, "a second life")
        stack.wait_ready(60)
        assert profiler.pid == spare
        assert "ready" in profiler.describe()

        another = wait_for(stands_by, "another spare process")
        assert another != spare
        _kill(another)
        _kill(spare)  # a death without a spare one is a start as ever
        wait_for(lambda: stack.check() or profiler.restarts == 2, "a third life")
        stack.wait_ready(60)
        assert profiler.pid not in {spare, another}
        assert stands_by() is None  # one that ends by itself would end again
    assert processes_of(home.data) == []


@pytest.mark.parametrize("engine", ["clickhouse", "broker"])
def test_a_killed_engine_comes_back_on_its_port(home: Settings, engine: str) -> None:
    with Supervisor(home, ("intake",), role_command=commands(home)) as stack:
        stack.start_roles()
        stack.wait_ready(60)
        before, intake = stack.settings, stack.roles["intake"].pid
        victim = getattr(stack, engine).child
        _kill(victim.pid)
        wait_for(lambda: not victim.alive, "its end")
        stack.check()
        stack.wait_ready(60)
        assert stack.settings == before
        assert getattr(stack, engine).child.pid != victim.pid
        assert set(end_offsets(before, "events")) == {0, 1, 2, 3}
        with connect(before) as client:
            assert client.query("SELECT 1").result_rows == [(1,)]
        # Without ClickHouse roles wait; without the broker they are started anew.
        assert (stack.roles["intake"].pid == intake) == (engine == "clickhouse")
    assert processes_of(home.data) == []


_OWNER = """
import json, sys
from streams.embedded.signals import stop_on_signals
from streams.embedded.supervisor import Supervisor
from streams.settings import Settings
from tests.embedded.common import commands
home = Settings(data_dir=sys.argv[1])
with stop_on_signals() as stop, Supervisor(home, role_command=commands(home), stop=stop) as stack:
    stack.start_roles()
    stack.wait_ready()
    print("ready", flush=True)
    stack.watch()
print("bye", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything(home: Settings, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, home.data_dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        owner.send_signal(number)
        out, err = owner.communicate(timeout=5)
    assert (owner.returncode, out, err) == (0, "bye\n", "")
    assert processes_of(home.data) == []


def test_a_killed_owner_leaves_no_process_and_the_next_one_starts(home: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", _OWNER, home.data_dir], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        owner.kill()
    with Supervisor(home, role_command=commands(home)) as stack:  # at once: it waits for the engines' end itself
        stack.start_roles()
        stack.wait_ready(60)
        pids = {s["pid"] for s in read_statuses(home.run_dir).values()}
        assert pids == {role.pid for role in stack.roles.values()}
    assert processes_of(home.data) == []


def test_each_life_of_intake_has_a_transactional_id_of_its_own(home: Settings) -> None:
    with Supervisor(home, ("intake",), role_command=commands(home)) as stack:
        stack.start_roles()
        stack.wait_ready(60)
        pid = stack.roles["intake"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while stack.roles["intake"].restarts == 0 and time.monotonic() < deadline:
            stack.check()
            time.sleep(0.02)
    ids = json.loads((home.data / "transactional-ids.json").read_text())
    assert ids == {"ids": ["intake-0.1", "intake-0.2"]}


def test_several_processes_of_a_role_have_ids_of_their_own_and_leave_each_other_alone(home: Settings) -> None:
    home.run_dir.mkdir(parents=True)
    (home.run_dir / "profiler-7.json").write_text('{"role": "profiler-7"}')  # of somebody who was killed
    scripts = {
        role: GOOD_ROLE.replace("sys.argv[2]", f"os.environ.get('{env}', '{role}-0').strip(chr(34))")
        for role, env in IDS.items()
    }
    with Supervisor(home, tuple(IDS), counts={"intake": 2, "profiler": 3}, role_command=commands(home, **scripts)) as s:
        s.start_roles()
        assert [name for name, role in s.roles.items() if role.pid is None] == ["profiler-1", "profiler-2", "intake-1"]
        s.wait_ready(60)
        assert [role.restarts for role in s.roles.values()] == [0] * 5
        assert list(s.roles) == ["profiler", "profiler-1", "profiler-2", "intake", "intake-1"]
        statuses = read_statuses(home.run_dir)
        assert sorted(statuses) == ["intake-0", "intake-1", "profiler-0", "profiler-1", "profiler-2"]
        assert len({fields["pid"] for fields in statuses.values()}) == 5
        assert len(instances(statuses, "profiler-0")) == 3
    ids = json.loads((home.data / "transactional-ids.json").read_text())
    assert ids == {"ids": ["intake-0.1", "intake-1.1"]}
