"""Both languages say everything that pages say, and pages say nothing of their own."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from streams.web.pages.texts import LANGUAGES, choose_language, texts

PAGES = Path(__file__).resolve().parents[2] / "streams" / "web" / "pages"
TEMPLATES = sorted((PAGES / "templates").glob("*.html"))
_USED = re.compile(r"""\bt(?:ext)?\(\s*["']([a-z0-9_.]+)["']\s*[,)]""")
_BLOCK = re.compile(r"{%-?\s*block\s+(\w+)")


def fields(entry: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(entry) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert texts("en").keys == texts("zh").keys


def test_each_text_takes_the_same_values_in_both() -> None:
    english, chinese = texts("en"), texts("zh")
    unlike = [k for k in english.keys if fields(english.or_else(k, "")) != fields(chinese.or_else(k, ""))]

    assert unlike == []


def test_every_text_that_pages_use_is_there() -> None:
    used = {
        (path.name, key)
        for path in [*TEMPLATES, *PAGES.rglob("*.py")]
        for key in _USED.findall(path.read_text(encoding="utf-8"))
    }

    assert used
    assert [(name, key) for name, key in sorted(used) if key not in texts("en")] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_words_of_their_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", text, flags=re.DOTALL)
    between = re.sub(r"<[^>]*>", " ", text, flags=re.DOTALL)
    said = re.findall(r"""\b(?:title|alt|aria-label|placeholder)="([^"]*)\"""", text)
    words = re.findall(r"[^\W\d_]{2,}", " ".join([re.sub(r"&\w+;", " ", between), *said]))

    assert [word for word in words if word not in {"userprism", "UTC"}] == []


@pytest.mark.parametrize("path", sorted(PAGES.rglob("*.py")), ids=lambda path: path.name)
def test_code_has_no_chinese_of_its_own(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    if path.name == "texts.py":
        code = code.replace("中文", "")
    assert re.findall(r"[\u4e00-\u9fff]+", code) == []


@pytest.mark.parametrize(("asked", "accept", "language"), [
    (None, None, "en"),
    (None, "zh-TW,zh;q=0.9,en;q=0.8", "zh"),
    (None, "de;q=0.9,en;q=0.5", "en"),
    ("zh", "en", "zh"),
    ("xx", "zh", "zh"),
    (None, ";q=x,,zh;q=0.1", "zh"),
])  # fmt: skip
def test_the_language_is_the_chosen_one_or_the_browsers(asked: str | None, accept: str | None, language: str) -> None:
    assert choose_language(asked, accept) == language


def test_every_language_has_a_catalogue() -> None:
    assert all(texts(language)("unit.people", n=2) for language in LANGUAGES)
