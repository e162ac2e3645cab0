"""The reference set `clicks`: track events, 8 event names, 16 categories, 2,000 products, 20,000 users Zipf(1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

__all__ = ["EVENT_NAMES", "clicks"]

EVENT_NAMES = (
    "Product Viewed",
    "Product Clicked",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    "Product Added to Wishlist",
    "Product Shared",
)
_CATEGORIES = 16
_PRODUCTS = 2_000
_USERS = 20_000
_SECONDS_PER_EVENT = 0.25
_START = datetime(2026, 1, 5, tzinfo=UTC)
_ADJECTIVES = ("Red", "Blue", "Light", "Soft", "Classic", "Urban", "Wild", "Little")
_NOUNS = ("Lamp", "Chair", "Jacket", "Kettle", "Novel", "Tent", "Camera", "Puzzle", "Guitar", "Basket")


def clicks(count: int = 200_000, seed: int = 7) -> list[tuple[bytes, bytes]]:
    """Return (key, value) of `count` events in order of event time; the key is the userId, as RudderStack's is.

    Names are skewed (half of all events are views), products are Zipf(1) too, and each product keeps its category,
    name and price.
    """
    rng = np.random.default_rng(seed)
    users = rng.choice(_USERS, count, p=_zipf(_USERS))
    products = rng.choice(_PRODUCTS, count, p=_zipf(_PRODUCTS))
    names = rng.choice(len(EVENT_NAMES), count, p=_zipf(len(EVENT_NAMES)))
    category = rng.integers(0, _CATEGORIES, _PRODUCTS)
    price = np.round(rng.lognormal(3, 0.8, _PRODUCTS), 2)
    quantities = rng.integers(1, 4, count)
    ids = rng.integers(0, 2**63, count)
    titles = [
        f"{_ADJECTIVES[p % len(_ADJECTIVES)]} {_NOUNS[p // len(_ADJECTIVES) % len(_NOUNS)]} {p}"
        for p in range(_PRODUCTS)
    ]
    events = []
    for i in range(count):
        user, product = int(users[i]), int(products[i])
        at = (_START + timedelta(seconds=i * _SECONDS_PER_EVENT)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        value = (
            f'{{"type":"track","event":"{EVENT_NAMES[names[i]]}","userId":"user-{user}","messageId":"m-{ids[i]:016x}",'
            f'"timestamp":"{at}Z","properties":{{"product_id":"product-{product}","name":"{titles[product]}",'
            f'"category":"category-{category[product]}","price":{price[product]},"quantity":{quantities[i]},"currency":"EUR"}},'
            '"context":{"locale":"de-DE"}}'
        )
        events.append((b"user-%d" % user, value.encode()))
    return events


def _zipf(n: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, n + 1)
    return weights / weights.sum()
