"""English titles find their Chinese translations among titles that nearly are it."""

from __future__ import annotations

from collections import Counter

from encoders import load_encoder
from tests.bench.translations import TRANSLATIONS, translation_retrieval


def test_there_are_forty_pairs_and_no_title_comes_twice() -> None:
    chinese = [title for _, right, wrong in TRANSLATIONS for title in (right, *wrong)]

    assert len(TRANSLATIONS) == 40
    assert max(Counter(chinese).values()) == 1
    assert max(Counter(english for english, _, _ in TRANSLATIONS).values()) == 1


def test_the_default_encoder_finds_nine_of_ten_translations() -> None:
    share, wrong = translation_retrieval(load_encoder("text"))

    assert share >= 0.9, wrong
