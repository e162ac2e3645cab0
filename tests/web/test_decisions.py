"""What is decided equals what one counts by hand, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from streams.errors import ConfigurationError
from streams.records import records_until_end
from streams.rules import AudienceSettings, ConditionSettings, ExperienceSettings, PriceTierSettings
from streams.settings import Settings, load_settings
from streams.storage import connect, initialise
from streams.web import decide, read
from streams.web.decide import Condition, Definition
from streams.web.decide.conditions import Where
from tests.web.people import CATEGORIES

GERMANS = ConditionSettings(field="trait.country", value="DE")
TIERS = [
    PriceTierSettings(
        name="odd", multiplier=0.5, floor=8.0, when=[GERMANS, ConditionSettings(field="segment", value=[1.0, 3.0, 5.0])]
    ),
    PriceTierSettings(
        name="abroad",
        multiplier=1.5,
        cap=25.0,
        when=[ConditionSettings(field="trait.country", op="is_not", value="DE")],
    ),
]
EXPERIENCES = [
    ExperienceSettings(
        name="phones", slot="home", variant="small", when=[ConditionSettings(field="trait.device", value="mobile")]
    ),
    ExperienceSettings(name="germans", slot="home", variant="german", when=[GERMANS]),
    ExperienceSettings(name="everybody", slot="home", variant="plain"),
    ExperienceSettings(name="hero", slot="hero", variants=["tent", "city"]),
    ExperienceSettings(
        name="sale", slot="banner", variant="red", when=[ConditionSettings(field="segment.value", value=2)]
    ),
]


@pytest.fixture(scope="module")
def ruled(shop: Settings) -> Settings:
    return msgspec.structs.replace(shop, price_tiers=TIERS, experiences=EXPERIENCES)


@pytest.fixture(scope="module")
def writer(shop: Settings) -> Iterator[Client]:
    with connect(shop) as client:
        yield client


@pytest.mark.parametrize(
    ("condition", "by_hand"),
    [
        (Condition("segment", "exact", (2.0, 5.0)), "segment IN (2, 5)"),
        (Condition("segment.value", "is_not", 0), "segments['value'] != 0"),
        (Condition("segment.unknown", "exact", 0), "0"),
        (Condition("trait.country", "exact", ("DE", "CN")), "traits['country'] IN ('DE', 'CN')"),
        (Condition("trait.country", "is_not", "DE"), "traits['country'] != 'DE'"),
        (Condition("trait.age", "gte", 3), "0"),
        (Condition("trait.age", "is_not_set"), "1"),
        (Condition("trait.country", "is_set"), "1"),
        (Condition("events", "gte", 100), "event_count >= 100"),
        (Condition("frequency", "gt", 1.5), "features['orders/count'] > 1.5"),
        (Condition("monetary", "lt", 0.7), "features['orders/amount'] < 0.7"),
        (Condition("feature.category/Camping", "lte", 1), "features['category/Camping'] <= 1"),
        (Condition("seen_days", "lt", 10), "last_seen > now64(6) - INTERVAL 10 DAY"),
        (Condition("recency_days", "is_set"), "mapContains(features, 'orders/recency_days')"),
    ],
    ids=str,
)
def test_a_condition_holds_for_those_for_whom_it_holds_by_hand(
    reader: Client, condition: Condition, by_hand: str
) -> None:
    where = Where()
    text = where.of(Definition((condition,)))

    both = reader.query(
        f"SELECT countIf({text}), countIf({by_hand}), countIf(({text}) != ({by_hand})) FROM current_profiles",
        parameters=where.parameters,
    ).result_rows[0]
    assert Definition((condition,)).faults() == []
    assert both[0] == both[1]
    assert both[2] == 0


def test_any_is_more_than_all(writer: Client) -> None:
    two = Definition((Condition("segment", "exact", 2), Condition("trait.country", "exact", "DE")))
    sizes = {}
    for match in ("all", "any"):
        decide.save_audience(writer, "two", replace(two, match=match))
        found = decide.audience_size(writer, "two")
        assert found is not None
        sizes[match] = found.people
    decide.delete_audience(writer, "two")

    counted = writer.query(
        "SELECT countIf(segment = 2 AND traits['country'] = 'DE'), countIf(segment = 2 OR traits['country'] = 'DE') "
        "FROM current_profiles"
    ).result_rows[0]
    assert (sizes["all"], sizes["any"]) == counted


@pytest.fixture
def sending(settings: Settings, shop: Settings) -> Settings:
    """The filled database, and a broker."""
    consent = AudienceSettings(consent=[ConditionSettings(field="trait.device", value="mobile")])
    initialise(settings)
    return msgspec.structs.replace(shop, kafka=settings.kafka, audiences=consent)


def test_who_has_not_consented_stays_out_of_the_topic(writer: Client, sending: Settings) -> None:
    decide.save_audience(writer, "west", Definition((Condition("trait.country", "exact", ("DE", "US")),)))
    made = decide.publish_audience(writer, sending, "west")
    decide.delete_audience(writer, "west")

    wanted = {
        row[0]
        for row in writer.query(
            "SELECT profile_id FROM current_profiles "
            "WHERE traits['country'] IN ('DE', 'US') AND traits['device'] = 'mobile'"
        ).result_rows
    }
    counted = "SELECT countIf(traits['country'] IN ('DE', 'US')) FROM current_profiles"
    everybody = writer.query(counted).result_rows[0][0]
    messages = list(records_until_end(sending, sending.kafka.topics.audiences))
    records = [msgspec.json.decode(message.value() or b"") for message in messages]
    assert made is not None
    assert (made.people, made.withheld) == (len(wanted), everybody - len(wanted))
    assert 0 < made.people < everybody
    assert sorted(one["profile_id"] for one in records) == sorted(wanted)
    assert [(message.key() or b"").decode() for message in messages] == [one["profile_id"] for one in records]
    assert {(one["audience"], one["export"], one["traits"]["device"]) for one in records} == {
        ("west", made.export, "mobile")
    }
    assert decide.publish_audience(writer, sending, "unknown") is None


def test_an_audience_says_how_many_may_leave(writer: Client, sending: Settings) -> None:
    consent = tuple(decide.condition_of(one) for one in sending.audiences.consent)
    decide.save_audience(writer, "all", Definition())
    size = decide.audience_size(writer, "all", consent)
    people = decide.audience_people(writer, "all", limit=5_000, consent=consent)
    decide.delete_audience(writer, "all")

    assert size is not None
    assert people is not None
    assert (size.people, size.consenting) == (2_000, 1_000)
    assert {one.traits["device"] for one in people} == {"mobile"}
    assert len(people) == 1_000


def test_the_first_tier_that_holds_gives_the_price_and_says_why(reader: Client, ruled: Settings) -> None:
    tiers = dict[str, int]()
    for one in read.people(reader, limit=40):
        price = decide.price_of(reader, ruled, one.profile_id, 20.0)
        assert price is not None
        tiers[price.tier] = tiers.get(price.tier, 0) + 1
        if one.traits["country"] != "DE":
            assert (price.tier, price.price, price.bound) == ("abroad", 25.0, "cap")
            assert [one.found for one in price.because] == [one.traits["country"]]
        elif one.segment in {1, 3, 5}:
            assert (price.tier, price.price, price.bound) == ("odd", 10.0, "")
            assert [because.found for because in price.because] == ["DE", str(one.segment)]
        else:
            assert (price.tier, price.price, price.because) == ("", 20.0, [])

    assert set(tiers) >= {"abroad", ""}


def test_floors_and_caps_bound_a_price_but_never_turn_it(reader: Client, ruled: Settings) -> None:
    tier = PriceTierSettings(name="all", multiplier=0.5, floor=8.0)
    cheap = msgspec.structs.replace(ruled, price_tiers=[tier])

    prices = [decide.price_of(reader, cheap, "user-0000003", listed) for listed in (40.0, 12.0, 5.0)]

    assert [(one.price, one.bound) for one in prices if one] == [(20.0, ""), (8.0, "floor"), (5.0, "floor")]
    assert decide.price_of(reader, cheap, "nobody", 5.0) is None


def test_each_slot_shows_the_first_variant_that_holds(reader: Client, ruled: Settings) -> None:
    for one in read.people(reader, limit=24):
        shown = decide.experiences_of(reader, ruled, one.profile_id)
        person = read.person(reader, one.profile_id)
        assert shown is not None
        assert person is not None
        variants = {found.slot: found.variant for found in shown.experiences}
        mobile, german = one.traits["device"] == "mobile", one.traits["country"] == "DE"
        assert variants["home"] == ("small" if mobile else "german" if german else "plain")
        assert ("banner" in variants) == (person.segments["value"] == 2)


def test_recommendations_are_near_what_one_likes_and_never_what_one_knows(reader: Client, shop: Settings) -> None:
    for one in read.people(reader, limit=12):
        found = decide.recommendations(reader, shop, one.profile_id, limit=8)
        touched = reader.query(
            "SELECT touched FROM profiles FINAL WHERE profile_id = {id:String}", parameters={"id": one.profile_id}
        ).result_rows[0][0]
        assert found is not None
        assert found.basis == ["interest", "segment"]
        assert len(found.items) == 8
        assert {int(item.piece.content_id) for item in found.items}.isdisjoint(touched)
        liked = [content // 1_000 - 1 for content in touched]
        favourite = CATEGORIES[max(set(liked), key=liked.count)]
        near = {item.piece.content_id: item for item in found.items if item.near is not None}
        assert favourite in {item.piece.categories[0] for item in near.values()}
        for item in near.values():
            assert item.because is not None
            assert int(item.because.content_id) in touched
            assert item.because.categories == item.piece.categories


def test_who_touched_nothing_known_gets_what_the_segment_touches(reader: Client, shop: Settings) -> None:
    assert decide.recommendations(reader, shop, "nobody") is None

    found = decide.recommendations(reader, shop, "user-0000003", kind="media")
    assert found is not None
    assert found.items == []  # the shop has no media


_FEATURE = '[[features]]\nname = "buys"\nkind = "rfm"\nof = "revenue"\n'
_CHOICE = '[[experiences]]\nname = "a"\nslot = "s"\n'
_EXPERIENCE = '[[experiences]]\nname = "a"\nslot = "s"\nvariant = "v"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[price_tiers]]\nname = "a"\nmultiplier = 0', "multiplier"),
        ('[[price_tiers]]\nname = "A b"\nmultiplier = 1', "small letters"),
        ('[[price_tiers]]\nname = "a"\nmultiplier = 1\nwhen = [{ field = "segments" }]', "a field is"),
        ('[audiences]\nconsent = [{ field = "ads" }]', "audiences.consent: ads exact"),
        (_EXPERIENCE + 'when = [{ field = "events", op = "like" }]', "operator"),
        (_CHOICE, "variant or variants"),
        (_CHOICE + 'variant = "a"\nvariants = ["b", "c"]', "one of the two"),
        (_CHOICE + 'variants = ["b", "b"]', "no two the same"),
        (_CHOICE + 'variants = ["b", "c"]\npolicy = "exp3"', "thompson"),
        (_CHOICE + 'variants = ["b", "c"]\nwithin_s = 5', "a minute"),
        (_CHOICE + 'variants = ["b", "c"]\nsegmentation = "other"', "isn't one of interest"),
        (_CHOICE + 'variants = ["b", "c"]\nreward = "x"\n' + _FEATURE, "buys"),
        (_EXPERIENCE + 'when = [{ field = "events", op = "gt", value = [1] }]', "one number"),
    ],
)
def test_rules_that_make_no_sense_are_refused_at_the_start(
    tmp_path_factory: pytest.TempPathFactory, text: str, fault: str
) -> None:
    file = tmp_path_factory.mktemp("rules") / "userprism.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=fault):
        load_settings(file, environ={})
