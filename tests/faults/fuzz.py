"""Mutated payloads against the contract: `python -m tests.faults.fuzz --payloads 1000000 --seed 1`.

Every event of every value must come out as accepted or as a dead letter with a reason. How many events a value holds is
decided here by plain `json`, apart from the code under test.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from streams.contract import Contract, Incoming, Limits, Reason, decode_block

__all__ = ["check", "events_in", "mutated", "payloads", "run"]

_BATCH = 4_000
_RECORD_MS = 1_790_000_000_000
_NUMBERS = (0, -1, 1e999, -1e999, float("nan"), 2**63, 2**64, 10**400, 1e-320, True, 0.1, 253402300800000)
_TEXTS = (
    "",
    "null",
    "0",
    "\x00",
    "\ud800",
    "\U0001f600",
    "𝔸" * 300,
    "a" * 600,
    "[object Object]",
    "2026-13-01",
    "1e5",
    "\\u0000",
)
_KEYS = (
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "sentAt",
    "originalTimestamp",
    "receivedAt",
    "properties",
    "context",
    "traits",
    "batch",
    "groupId",
    "previousId",
    "channel",
)
_BYTES = (
    b"\xff",
    b"\x00",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"1e",
    b"\\ud800",
    b"NaN",
    b"Infinity",
    b"\xef\xbb\xbf",
    b" ",
)

Tree = dict[str, object]


def payloads(count: int, seed: int) -> Iterator[bytes]:
    """Yield mutated values; the same seed gives the same ones."""
    chance = random.Random(seed)
    for number in range(count):
        yield mutated(chance, number)


def mutated(chance: random.Random, number: int) -> bytes:
    """Return one value: a whole event, changed as a tree, then as text, each none to a few times."""
    tree: object = _event(chance, number)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        tree = _changed_tree(chance, tree)
    value = json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    for _ in range(chance.choice((0, 0, 0, 1, 1, 3))):
        value = _changed_bytes(chance, value)
    return value


def events_in(value: bytes, limits: Limits) -> int:
    """Return how many events a value holds; what can't be parsed is one."""
    if len(value) > limits.max_event_bytes:
        return 1
    try:
        tree = json.loads(value.decode())
    except (ValueError, RecursionError):
        return 1
    if _depth(tree) > limits.max_depth:
        return 1
    batch = tree.get("batch") if isinstance(tree, dict) else tree
    return len(batch) if isinstance(batch, list) and len(batch) <= limits.max_batch_events else 1


def check(contract: Contract, values: Sequence[bytes], limits: Limits) -> tuple[int, Counter[str]]:
    """Send values through the contract; return (accepted, dead letters by reason).

    Raises
    ------
    AssertionError
        An event is in neither, or in both; or a reason is none of the list.
    """
    result = contract.apply(values, [_RECORD_MS] * len(values), lambda i: Incoming("events", 0, i, None, []))
    reasons = Counter(letter.reason for letter in result.dead_letters)
    assert set(reasons) <= {reason.value for reason in Reason}
    rows = sum(len(decode_block(block)) for _, block in result.blocks)
    total = sum(events_in(value, limits) for value in values)
    assert rows == result.accepted, f"{rows} rows in blocks, {result.accepted} accepted"
    found = result.accepted + len(result.dead_letters)
    assert found == total, f"{found} accepted or refused, {total} events in {len(values)} values"
    return result.accepted, reasons


def run(count: int, seed: int, say: Callable[[str], None] = lambda text: None) -> dict[str, object]:
    """Send `count` payloads; a failing batch is cut down to the value that fails.

    Raises
    ------
    AssertionError
        With the value.
    """
    limits = Limits()
    contract = Contract(4, limits, 600_000_000)
    accepted, reasons, started = 0, Counter[str](), time.monotonic()
    batch: list[bytes] = []
    for number, value in enumerate(payloads(count, seed), start=1):
        batch.append(value)
        if len(batch) < _BATCH and number < count:
            continue
        try:
            more, why = check(contract, batch, limits)
        except Exception as error:
            _blame(batch, limits, error)
            raise
        accepted, reasons = accepted + more, reasons + why
        batch = []
        if number % 100_000 < _BATCH:
            say(f"{number:,} payloads, {time.monotonic() - started:.0f} s")
    return {
        "payloads": count,
        "accepted": accepted,
        "dead_letters": dict(reasons.most_common()),
        "events": accepted + sum(reasons.values()),
        "crashes": 0,
        "seconds": round(time.monotonic() - started, 1),
    }


def _blame(batch: Sequence[bytes], limits: Limits, error: Exception) -> None:
    for value in batch:
        try:
            check(Contract(4, limits, 600_000_000), [value], limits)
        except Exception as alone:
            msg = f"{type(alone).__name__}: {alone}: {value[:4_000]!r}"
            raise AssertionError(msg) from error


def _event(chance: random.Random, number: int) -> Tree:
    kind = chance.choice(("track", "page", "screen", "identify", "group", "alias"))
    event: Tree = {
        "type": kind,
        "messageId": f"m{number}",
        "timestamp": chance.choice(
            ("2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05+02:00", 1767225600000, "1767225600")
        ),
        "properties": {
            "product_id": chance.randrange(50),
            "name": "a title",
            "category": "c",
            "price": 1.5,
            "products": [{"sku": "s", "price": "2"}],
        },
        "context": {"traits": {"gender": "f"}, "device": {"type": "mobile"}},
    }
    event["userId" if chance.random() < 0.7 else "anonymousId"] = f"u{chance.randrange(100)}"
    if kind == "track":
        event["event"] = chance.choice(("Product Viewed", "Order Completed"))
    if kind in {"group", "alias"}:
        event |= {"groupId": "g", "previousId": "v", "userId": "u"}
    return event


def _junk(chance: random.Random) -> object:
    lot = chance.randrange(8)
    if lot == 0:
        return None
    if lot == 1:
        return [_junk(chance) for _ in range(chance.randrange(3))]
    if lot == 2:
        return {chance.choice(_KEYS): _junk(chance) for _ in range(chance.randrange(3))}
    if lot == 3:
        tree: object = 1
        for _ in range(chance.choice((1, 30, 31, 32, 33, 40))):
            tree = {"a": tree} if chance.random() < 0.5 else [tree]
        return tree
    return chance.choice(_NUMBERS if lot < 6 else _TEXTS)


def _changed_tree(chance: random.Random, tree: object) -> object:
    lot = chance.randrange(7)
    if not isinstance(tree, dict) or lot == 0:
        return (
            [tree, _junk(chance)] if chance.random() < 0.5 else {"batch": [tree, _junk(chance)], "sentAt": "2026-01-01"}
        )
    changed = dict(tree)
    key = chance.choice((*_KEYS, *map(str, changed)))
    if lot == 1:
        changed.pop(key, None)
    elif lot == 2:
        changed["properties"] = {f"p{i}": i for i in range(chance.choice((10, 999, 1_000, 1_001)))}
    elif lot == 3 and isinstance(changed.get("properties"), dict):
        changed["properties"] = {
            **changed["properties"],
            chance.choice(("price", "products", "category", "sku")): _junk(chance),
        }
    else:
        changed[key] = _junk(chance)
    return changed


def _changed_bytes(chance: random.Random, value: bytes) -> bytes:
    at = chance.randrange(len(value) + 1)
    lot = chance.randrange(5)
    if lot == 0:
        return value[:at]
    if lot == 1:
        return value[:at] + chance.choice(_BYTES) + value[at:]
    if lot == 2 and value:
        at %= len(value)
        return value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]
    if lot == 3:
        end = min(len(value), at + chance.randrange(20))
        return value[:at] + value[end:]
    return value[:at] + value[at : at + chance.randrange(30)] * 2 + value[at:]


def _depth(tree: object) -> int:
    level, depth = [tree], 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        depth += 1
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return depth


def main() -> None:
    """Run it and print one JSON line."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(run(options.payloads, options.seed, lambda text: print(text, file=sys.stderr, flush=True))))


if __name__ == "__main__":
    main()
