"""The mappings that are shipped: each channel's file becomes events of that channel, and all of them are accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.contract import Block, Contract, Incoming, Limits, decode_block
from streams.replay import load_mapping
from streams.replay.rows import read_events

_WEB = """\
user_id,client_id,time,page,title,section
ann,c1,2026-01-02T03:04:05Z,/a,A,news
,c1,2026-01-02T03:04:06Z,/b,B,news
ann,,2026-01-02T03:04:07Z,/a,A,news
"""
FILES = {
    "web": ("web.csv", _WEB),
    "app": ("app.ndjson", '{"user_id":null,"device_id":"d1","time":1767323045,"screen":"Home","section":"start"}\n'),
    "social": ("social.csv", "author,time,post_id,text,topic\nann,2026-01-02T03:04:05Z,p1,I like it,shoes\n"),
    "third-party": (
        "bought.csv", "customer_id,date,order_id,category,amount,currency\nann,2026-01-02,o1,shoes,12.5,EUR\n"
    ),
    "crm": ("crm.csv", "user_id,updated_at,plan,city\nann,2026-01-02T03:04:05Z,pro,\n"),
}  # fmt: skip


def block_of(folder: Path, name: str) -> Block:
    file, text = FILES[name]
    path = folder / file
    path.write_text(text, encoding="utf-8")
    values = [value for chunk in read_events(path, load_mapping(name)) for _, value in chunk]
    result = Contract(1, Limits(), 0).apply(
        values, [1_790_000_000_000] * len(values), lambda i: Incoming("e", 0, i, None, [])
    )
    assert result.dead_letters == []
    return decode_block(result.blocks[0][1])


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_events_of_its_channel(tmp_path: Path, name: str) -> None:
    block = block_of(tmp_path, name)

    assert block.channel.values.to_pylist() == [name]
    assert (block.channel.codes >= 0).all()
    assert len(block) == FILES[name][1].count("\n") - (not FILES[name][0].endswith(".ndjson"))


def test_a_row_names_whoever_it_knows(tmp_path: Path) -> None:
    block = block_of(tmp_path, "web")

    assert block.person.values.take(block.person.codes).to_pylist() == ["ann", "anon:c1", "ann"]
    assert block.anonymous.codes.tolist() == [0, -1, -1]
    assert block_of(tmp_path, "app").person.values.to_pylist() == ["anon:d1"]


def test_columns_of_a_crm_are_traits(tmp_path: Path) -> None:
    block = block_of(tmp_path, "crm")

    assert block.event.values.to_pylist() == ["identify"]
    assert [json.loads(text) for text in block.traits.values.to_pylist()] == [{"plan": "pro"}]
