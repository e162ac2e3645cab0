"""Every word that a page shows, as data: one catalogue a language, with the same keys in both."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["LANGUAGES", "Texts", "choose_language", "texts"]

#: Code -> the language's name in itself.
LANGUAGES = {"en": "English", "zh": "中文"}
_DEFAULT = "en"


class Texts:
    """The catalogue of one language.

    Parameters
    ----------
    language : str
        A key of `LANGUAGES`.

    Examples
    --------
    >>> Texts("en")("unit.people", n=1), Texts("en")("unit.people", n=2100)
    ('1 person', '2,100 people')
    """

    def __init__(self, language: str) -> None:
        self.language = language
        raw = files(__package__).joinpath("texts", f"{language}.json").read_text(encoding="utf-8")
        self._entries: dict[str, str] = json.loads(raw)

    def __contains__(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._entries

    def __call__(self, key: str, **values: Any) -> str:
        """Return a text with its values filled in; whole numbers get separators.

        A text for one of something has the key with ``.one`` behind it, and is chosen by the value `n`.

        Raises
        ------
        KeyError
            There is no such text; a test looks for keys that pages use and catalogues lack.
        """
        if values.get("n") == 1 and f"{key}.one" in self._entries:
            key = f"{key}.one"
        shown = {name: f"{value:,}" if type(value) is int else value for name, value in values.items()}
        return self._entries[key].format(**shown)

    def or_else(self, key: str, default: str) -> str:
        """Return a text that may be missing: names that come with the data."""
        return self._entries.get(key, default)

    @property
    def keys(self) -> frozenset[str]:
        """All keys."""
        return frozenset(self._entries)


@cache
def texts(language: str) -> Texts:
    """Return the catalogue of a language."""
    return Texts(language)


def choose_language(asked: str | None, accept: str | None) -> str:
    """Return the language of a page: what was chosen, else the first one of the browser's that we have.

    Parameters
    ----------
    asked : str, optional
        From a link or a cookie.
    accept : str, optional
        The header ``Accept-Language``.

    Examples
    --------
    >>> choose_language(None, "fr;q=0.9, zh-CN;q=0.8, en;q=0.7"), choose_language("en", "zh")
    ('zh', 'en')
    """
    if asked in LANGUAGES:
        return str(asked)
    ranked = []
    for place, entry in enumerate((accept or "").split(",")[:20]):
        tag, _, quality = entry.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), place, tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(ranked) if tag in LANGUAGES), _DEFAULT)
