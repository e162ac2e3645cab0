"""Names are made of what sets a segment apart, in both languages, and no two segments have the same one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.web.naming import Evidence, Lift, distinctive_terms, keep_names, lift_of, name_segments
from streams.web.naming.terms import tokens

KITCHEN = {
    "Cast iron skillet": 40.0,
    "Small skillet": 30.0,
    "Copper saucepan": 25.0,
    "铸铁煎锅": 30.0,
    "不粘煎锅": 20.0,
}
RUNNING = {
    "Trail running shoes": 50.0,
    "Light running vest": 30.0,
    "Copper bottle": 5.0,
    "越野跑鞋": 30.0,
    "轻便跑鞋": 20.0,
}


def lift(kind: str, key: str, by: float, people: int = 200) -> Lift:
    return lift_of(kind, key, people * min(0.2 * by, 1.0), people, everybody_with_it=800, everybody=4_000)


def test_terms_are_what_one_segment_has_and_others_do_not() -> None:
    terms = distinctive_terms({1: KITCHEN, 2: RUNNING}, "en")

    assert terms[1][0].text == "skillet"
    assert terms[2][0].text == "running"
    assert "copper" not in {term.text for term in terms[1]}  # others read about copper, too


def test_chinese_words_are_found_without_spaces() -> None:
    terms = distinctive_terms({1: KITCHEN, 2: RUNNING}, "zh")

    assert terms[1][0].text == "煎锅"
    assert terms[2][0].text == "跑鞋"


def test_words_that_come_together_are_one() -> None:
    torches = {f"{kind} head torch": 5.0 for kind in ("mini", "classic", "red", "compact")}

    found = [term.text for term in distinctive_terms({1: {**torches, "Small tent": 8.0}, 2: RUNNING}, "en")[1]]

    assert found[0] == "head torch"
    assert not {"head", "torch"} & set(found)


def test_one_word_is_not_counted_twice_in_a_title() -> None:
    assert distinctive_terms({1: {"skillet skillet skillet": 3.0}}, "en")[1][0].weight == 3.0


def test_names_say_what_is_read_and_how_people_differ() -> None:
    names = name_segments({
        1: Evidence(KITCHEN, [lift("category", "sale", 2.5), lift("event", "Order Completed", 1.05)]),
        2: Evidence(RUNNING, [lift("hour", "morning", 1.8)]),
    }, "en")  # fmt: skip

    assert names[1].text.startswith("Skillet")
    assert names[1].text.endswith("· sale")
    assert names[2].text.endswith("· morning")
    assert [found.key for found in names[1].lifts] == ["sale"]
    assert names[1].terms[0].text == "skillet"


def test_a_lift_that_may_be_chance_names_nobody() -> None:
    unsure = lift_of("category", "sale", 3, 10, everybody_with_it=200, everybody=1_000)

    assert not unsure.sure
    assert name_segments({1: Evidence({}, [unsure])}, "en")[1].text == ""


def test_two_segments_that_read_the_same_are_told_apart_by_habits() -> None:
    evidence = {
        1: Evidence(KITCHEN, [lift("category", "sale", 2.5)]),
        2: Evidence(KITCHEN, [lift("category", "new", 2.5)]),
        3: Evidence(RUNNING, []),
    }

    names = [name.text for name in name_segments(evidence, "zh").values()]

    assert len(set(names)) == 3
    assert names[0].startswith("煎锅")


def test_who_reads_in_one_language_has_a_name_in_the_other() -> None:
    only_chinese = {1: Evidence({"铸铁煎锅": 9.0}), 2: Evidence({"越野跑鞋": 9.0})}

    assert name_segments(only_chinese, "en")[1].text


@given(
    st.dictionaries(
        st.integers(0, 9),
        st.dictionaries(st.text(max_size=20), st.floats(0, 1e6), max_size=8).map(Evidence),
        max_size=8,
    ),
    st.sampled_from(["en", "zh"]),
)
def test_whatever_titles_hold_names_are_made_and_unlike(evidence: dict[int, Evidence], language: str) -> None:
    names = [name.text for name in name_segments(evidence, language).values()]

    assert len(names) == len(evidence)
    said = [name for name in names if name]
    assert len(set(said)) == len(said)


def test_a_name_stays_while_its_words_are_telling() -> None:
    before = name_segments({1: Evidence(KITCHEN), 2: Evidence(RUNNING)}, "en")
    drifted = {1: Evidence({**KITCHEN, "Copper saucepan": 90.0}), 2: Evidence(RUNNING)}
    now = name_segments(drifted, "en")
    terms = distinctive_terms({segment: found.titles for segment, found in drifted.items()}, "en")

    assert now[1] != before[1]
    assert keep_names(before, now, terms)[1] == before[1]
    assert keep_names(before, now, {1: terms[2], 2: terms[2]})[1] == now[1]


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_lift(of: int, data: st.DataObject) -> None:
    with_it = data.draw(st.integers(1, of))
    more = data.draw(st.integers(0, 10_000))
    others = data.draw(st.integers(0, more))
    found = lift_of("trait", "x", with_it, of, everybody_with_it=with_it + others, everybody=of + more)

    assert found.low <= found.lift * 1.2
    assert found.lift <= found.high * 1.2
    assert found.low >= 0


@pytest.mark.parametrize(("title", "language", "words"), [
    ("The Cast-Iron skillet, 26 cm", "en", ["cast", "iron", "skillet", "cast iron", "iron skillet"]),
    ("红色煎锅", "zh", ["红色", "色煎", "煎锅", "红色煎", "色煎锅", "红色煎锅"]),
    ("", "en", []),
])  # fmt: skip
def test_words(title: str, language: str, words: list[str]) -> None:
    assert tokens(title, language) == words


def test_a_piece_of_a_chinese_word_is_no_word() -> None:
    titles = {1: {"高端面包模具": 9.0, "轻便面包模具": 4.0}, 2: {"高端跑鞋": 9.0, "保暖跑鞋": 5.0}}

    assert distinctive_terms(titles, "zh")[1][0].text == "面包模具"
