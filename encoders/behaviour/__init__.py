"""Vectors from what people did: baskets of items in, vectors out, and how unusual a person is.

`baskets` arranges the log, `encoder` and `anomaly` run trained models. What trains them needs torch and is imported by
its own name: `item2vec`, `node2vec`, `multdae`, `gan`, `mixture`; `install` writes what they made.
"""

from __future__ import annotations

from encoders.behaviour.anomaly import AnomalyScorer, profiles, profiles_of
from encoders.behaviour.baskets import Basket, Interactions
from encoders.behaviour.encoder import BehaviourEncoder

__all__ = ["AnomalyScorer", "Basket", "BehaviourEncoder", "Interactions", "profiles", "profiles_of"]
