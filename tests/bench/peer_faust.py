"""A peer: the Faust app one writes first, an agent with a table per user and River's KMeans, in a process of its own.

State and model are those of `tests.bench.peer_river`; the table is in memory with its changelog topic, as Faust does by
default (without the changelog a restart would lose every user).
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from typing import Any

import faust
from river import cluster

from tests.bench.peer_river import CLUSTERS, features

__all__ = ["build"]


def build(bootstrap: str, topic: str, count: int) -> faust.App:
    """Return an app that processes `count` events, prints how long that took as JSON, and stops."""
    app = faust.App(
        f"peer-faust-{time.time_ns()}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="peer-faust-"),
        topic_partitions=4,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id="peer-faust-0",  # dead members of the embedded broker never expire
        web_enabled=False,
        topic_disable_leader=True,
        broker_max_poll_records=500,
    )
    users = app.Table("users", default=dict)
    labels = app.Table("labels", default=int)
    model = cluster.KMeans(n_clusters=CLUSTERS, halflife=0.05, seed=7)
    progress = {"seen": 0, "started": 0.0}

    @app.agent(app.topic(topic, value_serializer="json", key_serializer="raw"))
    async def segment(events: Any) -> None:
        async for event in events:
            if progress["seen"] >= count:
                continue
            progress["started"] = progress["started"] or time.perf_counter()
            user = event["userId"]
            state = users[user]
            label = model.learn_predict_one(features(state, event))
            users[user] = state
            if labels.get(user) != label:
                labels[user] = label
            progress["seen"] += 1
            if progress["seen"] == count:
                seconds = time.perf_counter() - progress["started"]
                print(
                    json.dumps({"events": count, "seconds": seconds, "users": len(users)}),
                    file=sys.__stdout__,
                    flush=True,
                )
                signal.raise_signal(signal.SIGINT)  # the way a worker is told to stop

    return app


if __name__ == "__main__":
    faust.Worker(build(sys.argv[1], sys.argv[2], int(sys.argv[3])), loglevel="WARNING").execute_from_commandline()
