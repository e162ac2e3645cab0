"""The API: who may call it, how often, what it says, and that nothing one can send breaks it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import msgspec
import pytest
import schemathesis
from clickhouse_connect.driver.client import Client
from pyarrow import parquet

from streams.errors import InputError
from streams.rules import AudienceSettings, ConditionSettings
from streams.settings import Settings
from streams.storage import connect
from streams.storage.tokens import create_token, revoke_tokens, tokens
from streams.web import read
from streams.web.api.limits import Buckets
from tests.web.serving import served
from tests.web.test_decisions import EXPERIENCES, TIERS


@pytest.fixture(scope="module")
def writer(shop: Settings) -> Iterator[Client]:
    with connect(shop) as client:
        yield client


@pytest.fixture(scope="module")
def given(writer: Client) -> dict[str, str]:
    return {scope: create_token(writer, f"may {scope}", [scope], 1) for scope in ("read", "write")}


@pytest.fixture(scope="module")
def web(shop: Settings) -> Iterator[httpx.Client]:
    plenty = msgspec.structs.replace(shop.web, rate_per_minute=1_000_000, burst=100_000)
    consent = AudienceSettings(consent=[ConditionSettings(field="events", op="gte", value=20)])
    rules = {"price_tiers": TIERS, "experiences": EXPERIENCES, "audiences": consent}
    with served(msgspec.structs.replace(shop, web=plenty, **rules)) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def operations(web: httpx.Client) -> list[tuple[str, str]]:
    """Return (method, path) of everything OpenAPI names, with something in each place of a path."""
    paths = web.get("/api/v1/openapi.json").json()["paths"]
    return [(method.upper(), re.sub(r"{\w+}", "1", path)) for path, of in paths.items() for method in of]


def scope_of(web: httpx.Client, method: str) -> str:
    return "read" if method == "GET" else "write"


def test_every_route_refuses_a_missing_and_a_wrong_token(web: httpx.Client) -> None:
    asked = operations(web)

    assert len(asked) > 10
    for method, path in asked:
        for headers in ({}, bearer("upt_wrong"), {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer"}):
            answer = web.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_route_refuses_a_token_without_its_scope(web: httpx.Client, given: dict[str, str]) -> None:
    for method, path in operations(web):
        other = "write" if scope_of(web, method) == "read" else "read"
        assert web.request(method, path, headers=bearer(given[other])).status_code == 403, (method, path)


def test_what_is_said_is_what_is_read(web: httpx.Client, given: dict[str, str], reader: Client) -> None:
    answer = web.get("/api/v1/segments", headers=bearer(given["read"]))

    now = read.segments_now(reader)
    assert answer.status_code == 200
    assert [(one["segment"], one["people"]) for one in answer.json()["segments"]] == [
        (one.segment, one.people) for one in now.segments
    ]


@pytest.mark.parametrize(
    "path",
    [
        "overview", "segmentations", "segments?segmentation=value", "segments/2", "segments/2/people", "people",
        "person?id=anon:d1", "sizes?minutes=600", "flows?hours=100", "stability", "alerts", "health", "audiences",
        "person/recommendations?id=anon:d1", "person/price?id=anon:d1&price=10", "person/experiences?id=anon:d1",
    ],
)  # fmt: skip
def test_every_question_has_an_answer(web: httpx.Client, given: dict[str, str], path: str) -> None:
    answer = web.get(f"/api/v1/{path}", headers=bearer(given["read"]))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "segments/77", "person?id=nobody", "person/recommendations?id=nobody", "person/price?id=nobody&price=1",
        "person/experiences?id=nobody", "audiences/none", "audiences/none/people", "audiences/none/people.csv",
        "audiences/none/people.parquet",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(web: httpx.Client, given: dict[str, str], path: str) -> None:
    assert web.get(f"/api/v1/{path}", headers=bearer(given["read"])).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "segments?segmentation=No%20Name",
        "sizes?minutes=0",
        "people?limit=1001",
        "person?id=%00",
        "person",
        "person/price?id=ann&price=-1",
        "audiences/No%20Name",
    ],
)
def test_what_makes_no_sense_is_refused(web: httpx.Client, given: dict[str, str], path: str) -> None:
    assert web.get(f"/api/v1/{path}", headers=bearer(given["read"])).status_code == 422


def test_pages_of_people_lead_to_everybody_once(web: httpx.Client, given: dict[str, str]) -> None:
    seen: list[str] = []
    address: str | None = "/api/v1/segments/5/people?limit=100"
    while address:
        page: dict[str, Any] = web.get(address, headers=bearer(given["read"])).json()
        seen += [one["profile_id"] for one in page["items"]]
        address = page["next"]

    size = next(
        one["people"]
        for one in web.get("/api/v1/segments", headers=bearer(given["read"])).json()["segments"]
        if one["segment"] == 5
    )
    assert len(seen) == len(set(seen)) == size


def test_an_audience_is_saved_counted_listed_exported_and_forgotten(web: httpx.Client, given: dict[str, str]) -> None:
    reads, writes = bearer(given["read"]), bearer(given["write"])
    conditions = [{"field": "trait.country", "value": ["DE", "CN"]}, {"field": "frequency", "op": "gt", "value": 1}]
    saved = web.put("/api/v1/audiences/abroad", headers=writes, json={"conditions": conditions})
    assert saved.status_code == 200, saved.text
    assert [one["name"] for one in web.get("/api/v1/audiences", headers=reads).json()] == ["abroad"]

    size = web.get("/api/v1/audiences/abroad", headers=reads).json()
    seen: list[str] = []
    address: str | None = "/api/v1/audiences/abroad/people?limit=150"
    while address:
        page: dict[str, Any] = web.get(address, headers=reads).json()
        seen += [one["profile_id"] for one in page["items"]]
        address = page["next"]
    exported = list(csv.DictReader(io.StringIO(web.get("/api/v1/audiences/abroad/people.csv", headers=reads).text)))
    assert size["people"] == len(set(seen)) > 150
    may_leave = [row["profile_id"] for row in exported]
    assert size["consenting"] == len(may_leave) < len(seen)
    assert set(may_leave) < set(seen)
    assert min(int(row["event_count"]) for row in exported) >= 20
    assert {json.loads(row["traits"])["country"] for row in exported} == {"DE", "CN"}
    columns = parquet.read_table(
        io.BytesIO(web.get("/api/v1/audiences/abroad/people.parquet", headers=reads).content)
    ).to_pydict()
    assert columns["profile_id"] == may_leave
    assert [str(n) for n in columns["event_count"]] == [row["event_count"] for row in exported]
    assert [at.isoformat() for at in columns["last_seen"]] == [row["last_seen"] for row in exported]
    assert [dict(traits) for traits in columns["traits"]] == [json.loads(row["traits"]) for row in exported]

    assert web.delete("/api/v1/audiences/abroad", headers=writes).status_code == 204
    assert web.delete("/api/v1/audiences/abroad", headers=writes).status_code == 404
    assert web.get("/api/v1/audiences/abroad", headers=reads).status_code == 404


@pytest.mark.parametrize(
    "condition",
    [{"field": "segments"}, {"field": "frequency", "op": "gte", "value": "often"}, {"field": "trait.x", "op": "like"}],
)
def test_an_audience_that_makes_no_sense_is_refused(
    web: httpx.Client, given: dict[str, str], condition: dict[str, Any]
) -> None:
    wrong = web.put("/api/v1/audiences/odd", headers=bearer(given["write"]), json={"conditions": [condition]})

    assert wrong.status_code == 422


def test_a_recorded_price_leaves_a_row_and_one_that_was_asked_for_does_not(
    web: httpx.Client, given: dict[str, str], writer: Client
) -> None:
    asked = web.get("/api/v1/person/price?id=anon:d0&price=20", headers=bearer(given["read"])).json()
    made = web.post("/api/v1/person/price?id=anon:d0&price=20", headers=bearer(given["write"])).json()

    rows = writer.query(
        "SELECT tier, price, because FROM price_decisions WHERE profile_id = 'user-0000003' AND list_price = 20"
    ).result_rows
    assert {**asked, "decided_at": ""} == {**made, "decided_at": ""}
    assert [(tier, price) for tier, price, _ in rows] == [(made["tier"], made["price"])]
    assert json.loads(rows[0][2]) == made["because"]


def test_a_chosen_variant_is_recorded_kept_and_counted(
    web: httpx.Client, given: dict[str, str], writer: Client
) -> None:
    reads, writes = bearer(given["read"]), bearer(given["write"])
    made = web.post("/api/v1/person/experiences?id=anon:d0", headers=writes).json()
    seen = web.get("/api/v1/person/experiences?id=user-0000003", headers=reads).json()

    (chosen,) = [one for one in made["experiences"] if one["slot"] == "hero"]
    (kept,) = [one for one in seen["experiences"] if one["slot"] == "hero"]
    assert (chosen["by"], kept["by"], kept["variant"]) == ("bandit", "kept", chosen["variant"])
    rows = writer.query("SELECT profile_id, variant FROM exposures WHERE experience = 'hero'").result_rows
    assert rows == [("user-0000003", chosen["variant"])]
    results = web.get("/api/v1/experiences", headers=reads).json()
    assert [(one["name"], one["policy"]) for one in results] == [("hero", "thompson")]


def test_what_has_not_changed_is_not_sent_again(web: httpx.Client, given: dict[str, str]) -> None:
    for path in ("segmentations", "health?minutes=10080"):
        first = web.get(f"/api/v1/{path}", headers=bearer(given["read"]))
        tag = {"If-None-Match": f'"other", {first.headers["ETag"]}'}
        again = web.get(f"/api/v1/{path}", headers=bearer(given["read"]) | tag)
        other = web.get(f"/api/v1/{path}", headers=bearer(given["read"]) | {"If-None-Match": '"other"'})

        assert (again.status_code, again.content) == (304, b"")
        assert other.status_code == 200


def test_a_token_is_stored_as_its_hash_and_works_until_it_is_revoked(writer: Client, shop: Settings) -> None:
    token = create_token(writer, "short lived", ["read"], 1)
    with pytest.raises(InputError, match="short lived"):
        create_token(writer, "short lived", ["read"], 1)

    with served(shop) as web:
        assert web.get("/api/v1/segmentations", headers=bearer(token)).status_code == 200
    rows = writer.query("SELECT toString(tuple(*)) FROM api_tokens").result_rows
    assert not any(token in row[0] for row in rows)

    assert revoke_tokens(writer, "short lived") == 1
    with served(shop) as web:
        assert web.get("/api/v1/segmentations", headers=bearer(token)).status_code == 401
    assert [one.revoked for one in tokens(writer) if one.name == "short lived"] == [True]
    with pytest.raises(InputError, match="short lived"):
        revoke_tokens(writer, "short lived")


def test_who_asks_too_often_waits(shop: Settings, given: dict[str, str]) -> None:
    slow = msgspec.structs.replace(shop.web, rate_per_minute=1, burst=3)
    with served(msgspec.structs.replace(shop, web=slow)) as web:
        answers = [web.get("/api/v1/segmentations", headers=bearer(given["read"])) for _ in range(5)]
        other = web.get("/api/v1/segmentations", headers=bearer("another"))
        probe = web.get("/health")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert (other.status_code, probe.status_code) == (401, 200)


def test_who_guesses_tokens_waits_and_others_do_not(shop: Settings, given: dict[str, str]) -> None:
    with served(shop) as web:
        answers = [web.get("/api/v1/segmentations", headers=bearer(f"upt_{n}")).status_code for n in range(50)]
        mine = web.get("/api/v1/segmentations", headers=bearer(given["read"])).status_code

    assert (answers[0], answers[-1], mine) == (401, 429, 200)


def test_buckets_fill_again_and_hold_no_more_than_a_burst() -> None:
    buckets = Buckets(60, 2)

    assert [buckets.take("ann", at) for at in (0, 0, 0, 100, 100, 100)] == [0, 0, 1, 0, 0, 1]
    assert buckets.take("bo", 0) == 0


def test_only_names_of_ours_are_answered(web: httpx.Client) -> None:
    assert web.get("/health", headers={"Host": "evil.example"}).status_code == 400
    assert web.get("/health", headers={"Host": "localhost:8642"}).status_code == 200


def test_probes_and_metrics_need_no_token_and_name_nobody(web: httpx.Client, given: dict[str, str]) -> None:
    web.get("/api/v1/segments/2", headers=bearer(given["read"]))
    metrics = web.get("/metrics").text

    assert web.get("/ready").status_code == 200
    assert 'userprism_web_requests_total{route="/api/v1/segments/{segment}",method="GET",status="200"}' in metrics
    assert re.search(r"^userprism_segments 8$", metrics, re.MULTILINE)
    assert "user-0" not in metrics


def test_without_clickhouse_it_says_so(shop: Settings) -> None:
    gone = msgspec.structs.replace(shop.clickhouse, url="http://127.0.0.1:9")
    with served(msgspec.structs.replace(shop, clickhouse=gone)) as web:
        answers = [web.get("/api/v1/overview", headers=bearer("any")), web.get("/ready"), web.get("/health")]

    assert [answer.status_code for answer in answers] == [503, 503, 200]


def test_nothing_that_openapi_allows_or_forbids_breaks_it(web: httpx.Client, given: dict[str, str]) -> None:
    described = schemathesis.openapi.from_url(f"{web.base_url}/api/v1/openapi.json")
    asked: list[int] = []

    for found in described.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:

            @hypothesis.settings(
                max_examples=4, database=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                answer = case.call(headers=bearer(given["read" if case.method == "GET" else "write"]))
                asked.append(answer.status_code)
                assert answer.status_code < 500, (case.as_curl_command(), answer.text)

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                continue  # nothing can be wrong about a route that takes nothing

    assert {200, 422} <= set(asked)
    assert len(asked) > 50
