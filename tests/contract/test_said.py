"""What is said of content is merged, never replaced by a mention that says less; what changes back is news."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Content, Contract, Limits, Result, decode_content, encode_content, merged
from tests.contract.test_media import contents

TITLE, OTHER = {"product_id": "p", "name": "A pan"}, {"product_id": "p", "name": "A wok"}
PICTURE, BARE = {"product_id": "p", "image_url": "https://a.example/1.png"}, {"product_id": "p"}
RICH = {"query": "pans"}  # such an event is always read by itself


def known_after(*batches: list[dict[str, Any]]) -> Content:
    """Return what an encoder knows of the product when intake has read these batches."""
    contract = Contract(1, Limits(), 0)
    sent = [content for batch in batches for content in contents(*batch, contract=contract) if content.item]
    return reduce(merged, [decode_content(encode_content(content)) for content in sent])


@pytest.mark.parametrize("bare", [BARE, {"product_id": "p", "price": 3}, BARE | RICH, {"products": [BARE]}])
def test_a_bare_mention_sends_nothing_and_changes_nothing(bare: dict[str, Any]) -> None:
    contract = Contract(1, Limits(), 0)
    first = contents(TITLE, contract=contract)

    assert [content for content in contents(bare, bare, contract=contract) if content.item] == []
    assert (known_after([bare], [TITLE], [bare]).title, first[0].title) == ("A pan", "A pan")


def test_each_field_is_the_newest_that_was_said() -> None:
    found = known_after([TITLE], [PICTURE], [BARE])

    assert (found.title, found.image_url) == ("A pan", "https://a.example/1.png")
    assert found.content_hash == contents(TITLE | PICTURE)[0].content_hash


_said = st.lists(st.sampled_from([TITLE, OTHER, PICTURE, BARE, OTHER | RICH, TITLE | RICH, BARE | RICH]), min_size=1)


@given(st.lists(_said, min_size=1, max_size=5))
def test_however_events_are_cut_into_batches_the_newest_counts(batches: list[list[dict[str, Any]]]) -> None:
    everything = [properties for batch in batches for properties in batch]
    titles = [properties["name"] for properties in everything if "name" in properties]
    found = known_after(*batches)

    assert found.title == (titles[-1] if titles else "")
    assert found.image_url == (PICTURE["image_url"] if PICTURE in everything else "")


def test_what_wasnt_sent_is_news_again() -> None:
    contract = Contract(1, Limits(), 0)
    sent = contents(TITLE, contract=contract)
    contract.forget(Result([], [], sent, 0))

    assert contents(TITLE, contract=contract) == sent
    assert contents(TITLE, contract=contract) == []
