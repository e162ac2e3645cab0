from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.embedded import ClickHouse
from tests.embedded.common import processes_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    folder = tmp_path_factory.mktemp("engine")
    server = ClickHouse(folder / "data", folder / "clickhouse.log")
    server.start()
    with _connect(server) as client:
        client.command("CREATE DATABASE shop")
        client.command(
            "CREATE TABLE shop.clicks (id UInt64, name String, at DateTime64(6, 'UTC'), "
            "CONSTRAINT small CHECK id < 1000) ENGINE = MergeTree ORDER BY id"
        )
    yield server
    server.stop()


def _connect(server: ClickHouse, *, reader: bool = False, password: str | None = None) -> Client:
    section = server.section
    known = section["reader_password"] if reader else section["password"]
    return clickhouse_connect.get_client(
        host="127.0.0.1",
        port=server.port,
        username=section["reader_user"] if reader else section["user"],
        password=known if password is None else password,
        autogenerate_session_id=False,
    )


@pytest.fixture
def writer(server: ClickHouse) -> Iterator[Client]:
    with _connect(server) as client:
        yield client
        client.command("TRUNCATE TABLE shop.clicks")


@pytest.fixture
def reader(server: ClickHouse) -> Iterator[Client]:
    with _connect(server, reader=True) as client:
        yield client


def _rows(start: int, stop: int) -> pa.Table:
    ids = range(start, stop)
    return pa.table(
        {
            "id": pa.array(ids, pa.uint64()),
            "name": [f"颜色 {number}" for number in ids],
            "at": pa.array([number * 1_000_000 for number in ids], pa.timestamp("us", tz="UTC")),
        }
    )


def test_selects_with_parameters_and_types(writer: Client) -> None:
    rows = writer.query(
        "SELECT {word:String}, {n:UInt8} + 1, [1.5, 2.5], map('k', 1), NULL", parameters={"word": "花'\\", "n": 6}
    ).result_rows
    assert rows == [("花'\\", 7, [1.5, 2.5], {"k": 1}, None)]
    assert writer.query("SELECT number FROM numbers(100000)").row_count == 100_000
    assert writer.query_arrow("SELECT 'x' AS a, 2 AS b").to_pylist() == [{"a": "x", "b": 2}]


def test_an_arrow_insert_is_one_part(writer: Client) -> None:
    writer.insert_arrow("clicks", _rows(0, 900), database="shop")
    writer.insert("clicks", [[999, "native", 0]], column_names=["id", "name", "at"], database="shop")
    assert writer.query("SELECT count(), max(id) FROM shop.clicks").result_rows == [(901, 999)]
    assert writer.query("SELECT name, toUnixTimestamp(at) FROM shop.clicks WHERE id = 7").result_rows == [("颜色 7", 7)]
    assert writer.query("SELECT uniqExact(_part) FROM shop.clicks WHERE id < 900").result_rows == [(1,)]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELEC 1", 62),
        ("SELECT * FROM shop.nothing", 60),
        ("SELECT no_such_column FROM shop.clicks", 47),
        ("SELECT * FROM nowhere.clicks", 81),
        ("SELECT no_such_function()", 46),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
    ],
)
def test_errors_carry_the_server_s_codes(writer: Client, statement: str, code: int) -> None:
    with pytest.raises(ClickHouseError, match=rf"(?i)code: {code}\b"):
        writer.query(statement)


def test_some_of_the_disk_is_kept_free(writer: Client) -> None:
    rows = writer.query("SELECT name, keep_free_space FROM system.disks").result_rows
    assert [tuple(row) for row in rows] == [("default", 64 << 20)]


def test_a_refused_block_leaves_nothing(writer: Client) -> None:
    with pytest.raises(ClickHouseError, match=r"(?i)code: 469\b"):
        writer.insert_arrow("clicks", _rows(990, 1_001), database="shop")
    assert writer.query("SELECT count() FROM shop.clicks").result_rows == [(0,)]


def test_a_reader_may_ask(reader: Client) -> None:
    assert reader.query("SELECT count() FROM shop.clicks").result_rows == [(0,)]
    assert reader.query("WITH 'file(1)' AS file_name SELECT file_name").result_rows == [("file(1)",)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT file('/etc/hostname')",
        "SELECT `file`('/etc/hostname')",
        "SELECT arrayMap(file, ['/etc/hostname'])",
        "SELECT * FROM file('/etc/hostname', 'RawBLOB')",
        "SELECT * FROM shop.clicks WHERE name = (SELECT * FROM file('/etc/hostname', 'RawBLOB'))",
        "SELECT * FROM url('http://127.0.0.1:1/', 'RawBLOB')",
        "SELECT * FROM default.`/etc/hostname`",
        "SELECT 1 INTO OUTFILE '/tmp/stolen'",
        "INSERT INTO shop.clicks (id) VALUES (1)",
        "INSERT INTO shop.clicks (id) SELECT 1",
        "DROP TABLE shop.clicks",
        "TRUNCATE TABLE shop.clicks",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1; DROP TABLE shop.clicks",
        "SELECT 1; SELECT 2",
        "SYSTEM SHUTDOWN",
    ],
)
def test_a_reader_may_do_nothing_else(reader: Client, writer: Client, statement: str) -> None:
    writer.insert_arrow("clicks", _rows(0, 3), database="shop")
    with pytest.raises(ClickHouseError, match=r"(?i)code: \d+"):
        reader.raw_query(statement)
    assert writer.query("SELECT count() FROM shop.clicks").result_rows == [(3,)]
    assert not Path("/tmp/stolen").exists()


@pytest.mark.parametrize("as_reader", [False, True])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused(server: ClickHouse, *, as_reader: bool, password: str) -> None:
    with pytest.raises(ClickHouseError, match=r"(?i)code: 516\b"):
        _connect(server, reader=as_reader, password=password)


def test_a_kill_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    server = ClickHouse(tmp_path / "data", tmp_path / "clickhouse.log")
    server.start()
    with _connect(server) as client:
        client.command("CREATE DATABASE shop")
        client.command(
            "CREATE TABLE shop.clicks (id UInt64, name String, at DateTime64(6)) ENGINE=MergeTree ORDER BY id"
        )
    stored = 0
    for _ in range(3):
        with _connect(server) as client:
            assert client.query("SELECT count() FROM shop.clicks").result_rows == [(stored,)]
            client.insert_arrow("clicks", _rows(stored, stored + 5_000), database="shop")
        stored += 5_000
        assert server.child is not None
        os.kill(server.child.pid, signal.SIGKILL)
        server.stop()
        server.start()
    with _connect(server) as client:
        assert client.query("SELECT count(), uniqExact(id) FROM shop.clicks").result_rows == [(stored, stored)]
    server.stop()
    assert processes_of(tmp_path) == []
