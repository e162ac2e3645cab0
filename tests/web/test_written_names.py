"""Names that a language model writes: what leaves is shared by many, what comes back is checked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigurationError
from streams.settings import ClickHouseSettings, NamingSettings, Settings, load_settings
from streams.storage import connect
from streams.storage.schema import apply_migrations
from streams.storage.written_names import WrittenName, save_written_names, written_names
from streams.web.live import Live
from streams.web.naming import Evidence, SegmentName, Term, Told, answer_of, as_written, lift_of, question, told_of
from streams.web.naming.terms import tokens
from streams.web.pages.scribe import Scribe
from streams.web.pages.source import Source
from streams.web.read import segment_names
from tests.local_server import JsonHandler, LocalServer
from tests.web.conftest import fill, refresh

KEY = "sk-of-nobody's-business"
LANGUAGES = ("en", "zh")
TOLD = [Told(segment, ["Skillet"], [], []) for segment in (1, 2)]

titles = st.dictionaries(
    st.text("abc 煎锅", min_size=3, max_size=12).filter(str.strip), st.integers(0, 30).map(float), max_size=8
)
lifts = st.lists(
    st.builds(
        lambda key, n: lift_of("trait", f"city={key}", n, 40, everybody_with_it=n + 20, everybody=4_000),
        st.text("xyz", min_size=1, max_size=4),
        st.integers(0, 40),
    ),
    max_size=6,
)
evidence = st.dictionaries(st.integers(-1, 9), st.builds(Evidence, titles, lifts), max_size=4)


def completion(names: dict[int, dict[str, str]], *, around: str = "{}") -> bytes:
    """Return what an endpoint answers."""
    said = json.dumps({"segments": [{"segment": s, "names": of} for s, of in names.items()]}, ensure_ascii=False)
    content = around.replace("{}", said)
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


class Endpoint(LocalServer):
    """Speaks as an OpenAI-compatible server does; `say` is its model."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.say: Callable[[list[dict[str, Any]]], bytes] = lambda told: completion(
            {one["segment"]: {"en": f"Fans of {one['segment']}", "zh": f"第{one['segment']}类"} for one in told}
        )
        super().__init__(_Handler)

    @property
    def url(self) -> str:
        return f"{self.origin}/v1/"


class _Handler(JsonHandler):
    server: Endpoint

    def posted(self, asked: Any) -> None:
        self.server.asked.append(asked)
        self.server.paths.append(self.path)
        self.server.keys.append(self.headers["Authorization"])
        body = self.server.say(json.loads(asked["messages"][1]["content"])["segments"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who has read enough of a long answer goes
            self.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.close()


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a database with evidence."""
    name = "t_written_names"
    own = Settings(
        data_dir=str(tmp_path_factory.mktemp("names")), clickhouse=msgspec.structs.replace(clickhouse, database=name)
    )
    with connect(own, database="default") as client:
        client.command(f"DROP DATABASE IF EXISTS {name}")
        client.command(f"CREATE DATABASE {name}")
    with connect(own) as client:
        apply_migrations(client)
        fill(client, 2_000)
        refresh(client)
    yield own
    with connect(own, database="default") as client:
        client.command(f"DROP DATABASE {name}")


@pytest.fixture
def shown(filled: Settings, endpoint: Endpoint) -> Settings:
    """The same with an endpoint that has written nothing yet."""
    with connect(filled) as client:
        client.command("TRUNCATE TABLE written_names")
    naming = NamingSettings(url=endpoint.url, model="tiny", api_key=KEY, networks=["127.0.0.0/8"])
    return msgspec.structs.replace(filled, naming=naming)


def write(settings: Settings, times: int = 1) -> tuple[list[int], Scribe, dict[str, dict[int, SegmentName]]]:
    """Let a scribe work; return how many names it had written each time, and what pages show."""

    async def work() -> tuple[list[int], Scribe, dict[str, dict[int, SegmentName]]]:
        source = Source(Live(settings), settings)
        try:
            scribe = Scribe(source, settings.naming)
            done = [await scribe.write("interest") for _ in range(times)]
            return done, scribe, (await source.labels("interest")).names
        finally:
            source.live.close()

    return asyncio.run(work())


@given(evidence, st.integers(10, 25))
def test_nothing_that_fewer_than_ten_share_is_told(known: dict[int, Evidence], least: int) -> None:
    for one in told_of(known, least):
        of = known[one.segment]
        shared = [title for title, people in of.titles.items() if people >= least]
        assert set(one.titles) <= set(shared)
        assert set(one.words) <= {w for t in shared for la in LANGUAGES for w in tokens(t, la)}
        people = {lift.key: max(other.people for other in of.lifts if other.key == lift.key) for lift in of.lifts}
        assert all(people[str(habit["what"])] >= least for habit in one.habits)
        assert one.titles or one.habits


def test_a_segment_s_size_and_made_name_stay_here() -> None:
    told = told_of({3: Evidence({"Copper pan": 12.0, "Letter to Ann": 2.0}, [])}, 10)

    assert msgspec.json.decode(msgspec.json.encode(told)) == [
        {"segment": 3, "titles": ["Copper pan"], "words": ["copper pan"], "habits": []}
    ]


def test_the_question_says_what_is_asked_for() -> None:
    asked = question("tiny", TOLD, LANGUAGES, 10)

    assert asked["model"] == "tiny"
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert "en, zh" in asked["messages"][0]["content"]
    assert json.loads(asked["messages"][1]["content"])["segments"][0]["titles"] == ["Skillet"]


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here you are:\n{}"])
def test_an_answer_is_found_in_what_is_round_it(around: str) -> None:
    assert answer_of(completion({1: {"en": " Home\n cooks "}}, around=around), TOLD, LANGUAGES) == {
        (1, "en"): "Home cooks"
    }


@pytest.mark.parametrize(
    "names",
    [
        {7: {"en": "Not asked for"}},
        {1: {"fr": "Cuisiniers"}},
        {1: {"en": ""}},
        {1: {"en": "x" * 61}},
        {1: {"en": "turned \u202e round"}},
        {1: {"en": "bell \a"}},
    ],
)
def test_what_cannot_be_shown_is_left_out(names: dict[int, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="no name"):
        answer_of(completion(names), TOLD, LANGUAGES)

    assert answer_of(completion({2: {"en": "Runners"}} | names), TOLD, LANGUAGES) == {(2, "en"): "Runners"}


def test_the_second_of_two_equal_names_is_left_out() -> None:
    assert answer_of(completion({1: {"en": "Cooks"}, 2: {"en": "Cooks"}}), TOLD, LANGUAGES) == {(1, "en"): "Cooks"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": "no"}}]}'])
def test_an_answer_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        answer_of(body, TOLD, LANGUAGES)


def test_a_written_name_keeps_what_it_was_made_of() -> None:
    names = {1: SegmentName("Skillet"), 2: SegmentName("Running"), 3: SegmentName("")}
    origin = names[1].origin

    shown = as_written(names, {("en", origin): "Home cooks"}, "zh")
    assert shown == names  # that was written in another language

    names[2] = SegmentName(
        "Running", terms=(), lifts=(lift_of("event", "Viewed", 9, 9, everybody_with_it=9, everybody=99),)
    )
    shown = as_written(names, {("en", names[2].origin): "Runners"}, "en")
    assert (shown[2].text, shown[2].made, shown[2].lifts) == ("Runners", "Running", names[2].lifts)
    assert shown[1] == names[1]
    assert shown[3] == names[3]


def test_two_segments_are_never_shown_under_one_written_name() -> None:
    lift = {key: lift_of("event", key, 9, 9, everybody_with_it=9, everybody=99) for key in ("a", "b")}
    names = {1: SegmentName("A", lifts=(lift["a"],)), 2: SegmentName("B", lifts=(lift["b"],))}

    assert as_written(names, {("en", name.origin): "Same" for name in names.values()}, "en") == names


def test_pages_and_api_show_what_was_written_with_its_evidence(shown: Settings, endpoint: Endpoint) -> None:
    done, scribe, names = write(shown, times=2)

    assert done == [2 * len(names["en"]), 0]  # each is asked for once
    assert len(endpoint.asked) == 1
    assert scribe.failures == 0
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.keys == [f"Bearer {KEY}"]
    assert all(name.text == f"Fans of {segment}" and name.made for segment, name in names["en"].items())
    assert all(name.text == f"第{segment}类" and name.terms + name.lifts for segment, name in names["zh"].items())
    with connect(shown, reader=True) as client:
        assert {name.text for name in segment_names(client).values()} == {f"Fans of {s}" for s in names["en"]}


def test_no_id_and_no_trait_of_a_few_leaves(shown: Settings, endpoint: Endpoint) -> None:
    write(shown)

    sent = json.dumps(endpoint.asked, ensure_ascii=False)
    assert "user-" not in sent
    assert '"people"' not in sent


@pytest.mark.parametrize(("status", "body"), [(500, b"no"), (302, b""), (200, b"no JSON"), (200, b"x" * 2_000_000)])
def test_an_endpoint_that_fails_changes_nothing_and_is_asked_later(
    shown: Settings, endpoint: Endpoint, caplog: pytest.LogCaptureFixture, status: int, body: bytes
) -> None:
    endpoint.status, endpoint.say = status, lambda _: body

    with caplog.at_level(logging.INFO):
        done, scribe, names = write(shown)

    assert done == [0]
    assert scribe.failures == 1
    assert scribe.delay_s == 60.0
    assert all(name.text and not name.made for name in names["en"].values())
    assert "again in 60 s" in caplog.text
    assert KEY not in caplog.text


def test_a_name_that_never_comes_is_not_asked_for_for_ever(shown: Settings, endpoint: Endpoint) -> None:
    endpoint.say = lambda told: completion({told[0]["segment"]: {"en": "The first"}})

    done, *_ = write(shown, times=5)

    assert done[0] == 1
    assert len(endpoint.asked) == 3


def test_a_private_address_is_refused_unless_it_is_allowed(
    shown: Settings, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    closed = msgspec.structs.replace(shown, naming=msgspec.structs.replace(shown.naming, networks=[]))

    done, *_ = write(closed)

    assert done == [0]
    assert endpoint.asked == []
    assert "refused" in caplog.text


def test_what_is_kept_of_the_evidence_says_nothing_of_it() -> None:
    lift = lift_of("trait", "city=Worpswede", 9, 9, everybody_with_it=9, everybody=99)
    one = SegmentName("Dear Ann · Worpswede", (Term("dear ann", 1.0, 2.0),), (lift,))

    assert re.fullmatch("[0-9a-f]{32}", one.origin)
    assert one.origin == replace(one, text="Liebe Ann").origin  # whatever the words
    assert one.origin != replace(one, lifts=()).origin != replace(one, terms=()).origin


def test_the_newest_name_of_an_origin_counts(shown: Settings) -> None:
    with connect(shown) as client:
        for name in ("Old", "New"):
            save_written_names(client, "interest", "tiny", [WrittenName("en", "skillet", name)])

        assert written_names(client, "interest") == {("en", "skillet"): "New"}
        assert written_names(client, "value") == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "ftp://host/v1", "model": "m"}, "must be like"),
        ({"url": "https://host/v1"}, r"naming\.model"),
        ({"least_people": 3}, "must be 10 or more"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_settings(overrides={"naming": given}, environ={})


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Settings(naming=NamingSettings(url="https://host/v1", model="m", api_key=KEY)))
