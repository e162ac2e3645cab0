"""Pictures come from where they are allowed to come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from encoders import NoVectorError
from encoders.images import ImageContent, ImageSource
from tests.encoders.pictures import data_url, drawn

PICTURE = drawn()


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "one.png").write_bytes(PICTURE)
    (folder / "none.png").write_bytes(b"")
    (folder / "huge.png").write_bytes(bytes(100_001))
    (tmp_path / "secret.png").write_bytes(PICTURE)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.mark.parametrize("content", [PICTURE, data_url(PICTURE), "data:,%89PNG", "data:image/png;base64,aGk%3D"])
def test_what_is_inline_is_always_read(content: ImageContent) -> None:
    expected = {"data:,%89PNG": b"\x89PNG", "data:image/png;base64,aGk%3D": b"hi"}

    assert ImageSource().read(content) == expected.get(str(content), PICTURE)


def test_a_file_in_an_allowed_folder_is_read_by_path_and_by_url(allowed: Path) -> None:
    source = ImageSource((allowed,))
    path = allowed / "one.png"

    assert source.read(path) == source.read(str(path)) == source.read(path.as_uri()) == PICTURE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"), ("", "empty"), ("  ", "empty"), ("data:,", "empty"), ("none.png", "empty"),
        (b"x" * 100_001, "too_large"), ("data:," + "x" * 100_001, "too_large"), ("data:" + "," * 400_000, "too_large"),
        ("huge.png", "too_large"),
        (None, "broken"), (7, "broken"), ("data:image/png;base64,%%%", "broken"), ("data:no comma", "broken"),
        ("link.png", "refused"), ("../secret.png", "refused"), ("/etc/passwd", "refused"), ("pipe.png", "refused"),
        ("file:///etc/passwd", "refused"), ("http://example.com/a.png", "refused"), ("ftp://example.com/a", "refused"),
        ("missing.png", "unreachable"), ("a\0b.png", "unreachable"),
    ],
)  # fmt: skip
def test_everything_else_has_its_reason(
    allowed: Path, monkeypatch: pytest.MonkeyPatch, content: ImageContent, reason: str
) -> None:
    monkeypatch.chdir(allowed)

    with pytest.raises(NoVectorError) as caught:
        ImageSource((allowed,), max_bytes=100_000).read(content)

    assert caught.value.reason == reason


def test_no_file_is_read_unless_a_folder_is_named(allowed: Path) -> None:
    with pytest.raises(NoVectorError, match="refused"):
        ImageSource().read(allowed / "one.png")
