"""A peer: the consumer loop one writes first, confluent-kafka and River's KMeans, one event at a time in one process.

Each event updates its user's dict of counts; shares of event names and categories and the mean price go through
`KMeans.learn_predict_one`, the faster of River's two ways to learn and predict. No validation, dedup or identity, no
scaling, nothing written anywhere: all of that would make it slower still.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from confluent_kafka import Consumer
from river import cluster

__all__ = ["CLUSTERS", "consume", "features"]

CLUSTERS = 16


def features(state: dict[str, float], event: dict[str, Any]) -> dict[str, float]:
    """Update one user's state by one event and return the vector that the model sees, as a dict."""
    properties = event["properties"]
    for name in (event["event"], properties["category"]):
        state[name] = state.get(name, 0.0) + 1.0
    state["n"] = n = state.get("n", 0.0) + 1.0
    state["spend"] = state.get("spend", 0.0) + properties["price"] * properties["quantity"]
    return {name: value / n for name, value in state.items()}


def consume(bootstrap: str, topic: str, count: int) -> dict[str, float]:
    """Process `count` events from the beginning of `topic` and return how long that took."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"peer-river-{time.time_ns()}",
            "group.instance.id": "peer-river-0",
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 10,
            "receive.message.max.bytes": 2_000_000_000,
        }
    )
    consumer.subscribe([topic])
    model = cluster.KMeans(n_clusters=CLUSTERS, halflife=0.05, seed=7)
    users: dict[str, dict[str, float]] = {}
    labels: dict[str, int] = {}
    seen = 0
    started = 0.0
    while seen < count:
        for message in consumer.consume(min(500, count - seen), timeout=0.1):
            if message.error():
                raise SystemExit(str(message.error()))
            started = started or time.perf_counter()
            event = json.loads(message.value())
            user = event["userId"]
            labels[user] = model.learn_predict_one(features(users.setdefault(user, {}), event))
            seen += 1
    seconds = time.perf_counter() - started
    consumer.close()
    return {"events": seen, "seconds": seconds, "users": len(labels)}


if __name__ == "__main__":
    print(json.dumps(consume(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
