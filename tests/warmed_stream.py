"""A stream after `warm_up`, in a process of its own: prints the kernels that had to be made ready amid it.

Run by tests/test_warmup.py; the process is fresh, or other tests would have made them ready.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np
from numba.core.dispatcher import Dispatcher, _DispatcherBase

from streams.contract import Contract, Incoming, Limits
from streams.contract.frames import closed
from streams.profiles import Layout, VectorTable
from streams.profiles.segmentations import Segmentations
from streams.roles._clicks import Record
from streams.roles._partition import Partition
from streams.settings import Settings
from streams.shop import Shop, Truth
from streams.storage.commit import commit_batches
from streams.warmup import warm_up
from tests.identity.real import stored_partition

EVENTS, BATCH, DIM = 30_000, 10_000, 128


def batches() -> Iterator[list[bytes]]:
    """Yield what producers of the simulated shop send, broken events included."""
    waiting: list[bytes] = []
    for chunk in Shop(3, end_us=time.time_ns() // 1000).events(EVENTS, Truth()):
        waiting += [value for _, value, *_ in chunk]
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            del waiting[:BATCH]


def stream() -> None:
    """Do what intake and a profiler do, until people are in segments, content is known, and all is committed."""
    settings = Settings()
    layout = Layout.from_settings(settings.features, settings.segmentation)
    contract = Contract(1, Limits(), 600_000_000)
    partition = Partition(0, layout, settings, stored_partition({}))
    table = VectorTable(DIM)
    segmentations = Segmentations(settings.segmentations, table)
    people = [(partition.state, partition.labels)]
    for number, values in enumerate(batches()):
        now_ms = time.time_ns() // 1_000_000
        result = contract.apply(values, [now_ms] * len(values), lambda i: Incoming("e", 0, i, None, []))
        for _, block in result.blocks:
            partition.apply(Record(0, number, now_ms * 1000, closed(block), b"", {}))
        content = np.array([content.content_id for content in result.contents], np.uint64)
        vectors = np.random.default_rng(number).normal(size=(len(content), DIM)).astype(np.float32)
        table.upsert(content, vectors)
        segmentations.observe([(partition.state, partition.labels)], [partition.take_unobserved()])
        segmentations.fit_if_due(people, drained=number % 2 == 1)
        rows = partition.state.rows_touching(content)
        partition.mark(segmentations.relabel(partition.state, partition.labels, rows, partition.unobserved))
        prepared = partition.prepare([0])
        commit_batches([prepared.part], 0)
        partition.committed(prepared)
    assert segmentations.fitted, "a stream without segments doesn't need every kernel"
    assert len(prepared.rows)
    assert len(table)


def main() -> None:
    """Warm up, stream, and tell what wasn't warm."""
    made: list[str] = []
    warm_up()
    make = _DispatcherBase._compile_for_args

    def noting(kernel: Dispatcher, *args: object, **kwargs: object) -> object:
        made.append(f"{kernel.py_func.__module__}.{kernel.py_func.__name__}")
        return make(kernel, *args, **kwargs)

    _DispatcherBase._compile_for_args = noting
    stream()
    print(json.dumps(made))


if __name__ == "__main__":
    main()
