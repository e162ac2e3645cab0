"""node2vec (Grover and Leskovec 2016, arXiv:1607.00653) on the graph of people and items. Needs torch.

The graph has two sides, so no neighbour of the last node can be reached: a step goes back (1 / p) or on (1 / q). With
only one node to treat otherwise, steps are drawn exactly, without the paper's table for each pair of nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt

from encoders.behaviour.baskets import Interactions, Pairs, Tell, in_silence
from encoders.behaviour.skipgram import Mode, train_table, windows

__all__ = ["Graph", "graph_of", "train_node2vec", "walks"]

#: Where each node's neighbours start, the neighbours, and the running sum of their weights within the node.
Graph = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


def train_node2vec(
    log: Interactions, *, p: float = 1.0, q: float = 0.5, length: int = 20, rounds: int = 4, mode: Mode = "skipgram",
    dim: int = 64, window: int = 4, negatives: int = 5, seed: int = 0,
    tell: Tell = in_silence,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """Return vectors of the items, float32 (items + 1, dim); row 0, the unknown's, is zero.

    Parameters
    ----------
    log : Interactions
        What people touched; weights are those of the edges.
    p, q : float
        Unwillingness to go back, and to go on.
    length, rounds : int
        Nodes of a walk, and walks from every node, one round an epoch.
    mode, dim, window, negatives, seed
        See `encoders.behaviour.skipgram.train_table`.
    tell : callable
        Told what share is done.

    Raises
    ------
    ValueError
        `p` or `q` isn't positive.
    """
    if not (p > 0 and q > 0):
        msg = f"p and q must be positive, found {p} and {q}"
        raise ValueError(msg)
    graph, items = graph_of(log), len(log.vocabulary)
    nodes = len(graph[0]) - 1

    def walked() -> Iterator[Pairs]:
        for number in range(rounds):
            tell(number / rounds)
            found = walks(graph, p, q, length, seed + number)
            sequence = np.repeat(np.arange(nodes), length)
            yield found.ravel(), windows(found.ravel(), sequence, window)

    # Walks visit a node in proportion to its edges.
    count = np.concatenate([[0], np.diff(graph[0])[1:]]).astype(np.int64)
    table = train_table(walked(), count, dim=dim, mode=mode, negatives=negatives, seed=seed)
    return table[: items + 1]


def graph_of(log: Interactions) -> Graph:
    """Return the graph; items are nodes 1 .. n, people come after them, node 0 has no edge."""
    items = len(log.vocabulary)
    person = log.rows + items + 1
    source = np.concatenate([log.items, person])
    target = np.concatenate([person, log.items])
    weight = np.concatenate([log.weights, log.weights]).astype(np.float64)
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(items + len(log) + 2)).astype(np.int64)
    before = np.concatenate([[0.0], np.cumsum(weight[order])])
    within = before[1:] - np.repeat(before[start[:-1]], np.diff(start))
    return start, target[order], within


def walks(graph: Graph, p: float, q: float, length: int, seed: int) -> npt.NDArray[np.int64]:
    """Return one walk from every node, int64 (nodes, length); where a node has no edge the walk is 0."""
    found: npt.NDArray[np.int64] = _walks(*graph, p, q, length, seed)
    return found


@numba.njit(cache=True)
def _walks(
    start: npt.NDArray[np.int64], target: npt.NDArray[np.int64], within: npt.NDArray[np.float64],
    p: float, q: float, length: int, seed: int,
) -> npt.NDArray[np.int64]:  # fmt: skip
    np.random.seed(seed)
    nodes = len(start) - 1
    found = np.zeros((nodes, length), np.int64)
    for node in range(nodes):
        if start[node] == start[node + 1]:
            continue
        last, here = -1, node
        found[node, 0] = here
        for step in range(1, length):
            first, end = start[here], start[here + 1]
            total, low, high = within[end - 1], 0.0, 0.0
            if last >= 0:
                # Where the last node lies among the weights; neighbours are in ascending order.
                back = first + np.searchsorted(target[first:end], last)
                low, high = (within[back - 1] if back > first else 0.0), within[back]
            returning, onward = (high - low) / p, (total - (high - low)) / q
            if last >= 0 and (end - first == 1 or np.random.random() * (returning + onward) < returning):
                there = last
            else:
                drawn = np.random.random() * (total - (high - low))
                if drawn >= low:
                    drawn += high - low
                there = target[min(first + np.searchsorted(within[first:end], drawn, side="right"), end - 1)]
            found[node, step] = there
            last, here = here, there
    return found
