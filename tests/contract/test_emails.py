"""With `identity.hashed_emails` no address gets past intake, and the hash is an id like a device's."""

from __future__ import annotations

import json

import pytest

from streams.contract import Block, Contract, Incoming, Limits, Result, decode_block
from streams.contract.emails import hash_of_email, without_emails

RECORD_MS = 1_790_000_000_000
ANN = "email:" + hash_of_email("ann@example.com")


def applied(*events: dict[str, object] | bytes) -> Result:
    values = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    contract = Contract(1, Limits(hashed_emails=True), 600_000_000)
    return contract.apply(values, [RECORD_MS] * len(values), lambda i: Incoming("events", 0, i, None, []))


def block_of(*events: dict[str, object] | bytes) -> Block:
    result = applied(*events)
    assert result.dead_letters == []
    return decode_block(result.blocks[0][1])


def named(block: Block) -> list[tuple[str | None, str | None]]:
    """Return (person, what is named beside it) of each event."""
    return list(zip(block.person.to_arrow().to_pylist(), block.anonymous.to_arrow().to_pylist(), strict=True))


def identify(address: str = "ann@example.com", **ids: object) -> dict[str, object]:
    return {"type": "identify", "messageId": "m", "traits": {"email": address, "plan": "pro"}, **ids}


def test_an_address_is_hashed_as_advertising_platforms_do() -> None:
    assert hash_of_email(" Ann@Example.COM\n") == (
        "sha256:71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476"
    )


@pytest.mark.parametrize(
    "written",
    [
        '"ann@example.com"', '"  Ann@Example.com "', '"ann\\u0040example.com"', '"\\u0061nn@example.com"',
    ],
)  # fmt: skip
def test_however_it_is_written_it_is_one_id(written: str) -> None:
    value = b'{"type":"identify","userId":"u1","messageId":"m","traits":{"email":%s}}' % written.encode()

    block = block_of(value)

    assert named(block) == [("u1", ANN)]
    assert block.traits.values.to_pylist() == [f'{{"email":"{hash_of_email("ann@example.com")}"}}']


def test_a_user_is_named_by_a_device_an_email_or_both() -> None:
    block = block_of(
        identify(userId="u1"), identify(userId="u1", anonymousId="d1"), identify(anonymousId="d1"), identify(),
        {"type": "page", "userId": "u1", "anonymousId": "d2", "context": {"traits": {"email": "ann@example.com"}}},
        {"type": "page", "userId": "u1", "anonymousId": "d2"},
        identify(userId="guest"),
    )  # fmt: skip

    assert sorted(named(block), key=repr) == sorted(
        [
            ("u1", ANN), ("u1", f"d1\0{ANN}"), ("anon:d1", None), (f"anon:{ANN}", None),
            ("u1", f"d2\0{ANN}"), ("u1", "d2"), (f"anon:{ANN}", None),
        ],
        key=repr,
    )  # fmt: skip


def test_an_email_alone_is_an_identity_on_the_slow_road_too() -> None:
    broken = {"batch": [identify(), identify("no address")]}

    result = applied(broken)

    assert [letter.reason for letter in result.dead_letters] == ["missing_identity"]
    assert named(decode_block(result.blocks[0][1])) == [(f"anon:{ANN}", None)]


def test_nothing_is_hashed_unless_it_is_asked_for() -> None:
    values = [json.dumps(identify(userId="u1")).encode()]

    result = Contract(1, Limits(), 0).apply(values, [RECORD_MS], lambda i: Incoming("events", 0, i, None, []))

    block = decode_block(result.blocks[0][1])
    assert named(block) == [("u1", None)]
    assert "ann@example.com" in block.traits.values.to_pylist()[0]


@pytest.mark.parametrize(
    "value", [b"", b"\xff@\xff", b'{"email":"@', b"@" * 100_000, b"a" * 100_000 + b"@", b'"email": "\\ud800@x"']
)
def test_any_bytes_can_be_searched(value: bytes) -> None:
    assert isinstance(without_emails(value), bytes)


def test_what_stands_for_an_address_stays() -> None:
    once = without_emails(b'{"userId":"ann@example.com","text":"ann@example.com, bo@x.org"}')

    assert b"@" not in once
    assert without_emails(once) == once
