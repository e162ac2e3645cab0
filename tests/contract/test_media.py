"""What people write, show and watch becomes content: texts, pictures and videos, each with what belongs to it."""

from __future__ import annotations

import json
from typing import Any

from streams.contract import Content, Contract, Incoming, Limits

PICTURE = "data:image/png;base64," + "A" * 5_000


def contents(*properties: dict[str, Any], contract: Contract | None = None) -> list[Content]:
    contract = contract or Contract(1, Limits(), 0)
    values = [
        json.dumps(
            {"type": "track", "event": "Post Created", "userId": "u", "messageId": str(i), "properties": given,
             "timestamp": "2026-01-01T00:00:00Z"}
        ).encode()
        for i, given in enumerate(properties)
    ]  # fmt: skip
    return contract.apply(values, [1] * len(values), lambda i: Incoming("t", 0, i, None, [])).contents


def test_a_picture_is_the_items_and_comes_whole() -> None:
    (found,) = contents({"product_id": "p1", "name": "A pan", "image_url": PICTURE})

    assert (found.kind, found.title, found.image_url) == ("item", "A pan", PICTURE)


def test_another_picture_is_content_to_be_read_again() -> None:
    first, second = contents(
        {"product_id": "p1", "name": "A pan", "image_url": "https://a.example/1.png"},
        {"product_id": "p1", "name": "A pan", "image_url": "https://a.example/2.png"},
    )

    assert first.content_id == second.content_id
    assert first.content_hash != second.content_hash


def test_without_an_item_a_picture_belongs_to_the_first_text() -> None:
    written, asked = contents(
        {"text": "look at this", "query": "pans", "image_url": PICTURE, "video_url": "https://v/1"}
    )

    assert (written.text, written.image_url, written.video_url) == ("look at this", PICTURE, "https://v/1")
    assert (asked.text, asked.image_url) == ("pans", "")


def test_every_text_that_people_write_is_content() -> None:
    given = {"text": "one", "body": "two", "review_body": "three", "query": "four"}

    assert [content.text for content in contents(given)] == list(given.values())


def test_a_picture_or_video_alone_is_a_post() -> None:
    picture, video = contents({"image_url": PICTURE}, {"video_url": "https://v.example/1.mp4"})

    assert (picture.kind, picture.image_url, picture.text) == ("media", PICTURE, "")
    assert (video.kind, video.video_url) == ("media", "https://v.example/1.mp4")


def test_a_picture_too_large_for_a_record_is_left_out() -> None:
    (found,) = contents({"product_id": "p1", "name": "A pan", "image_url": "data:image/png;base64," + "A" * 750_000})

    assert (found.title, found.image_url) == ("A pan", "")
