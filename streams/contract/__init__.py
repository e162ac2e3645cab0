"""The event contract: what producers may send, what becomes of it, and the messages between the roles.

`Contract` turns a batch of raw values into blocks, dead letters and new content; the codecs read and write the topics.
"""

from __future__ import annotations

from streams.contract.batch import Contract, Incoming, Result, Walked
from streams.contract.block import (
    CLICKS_SCHEMA,
    Block,
    BlockError,
    Names,
    decode_block,
    decode_ids,
    encode_block,
    join_blocks,
)
from streams.contract.content import Content, ContentError, decode_content, encode_content, merged, text_of
from streams.contract.control import Control, ControlError, Erase, decode_control, encode_control
from streams.contract.dead_letters import DeadLetter
from streams.contract.model_updates import (
    Learned,
    Minted,
    ModelUpdate,
    ModelUpdateError,
    Proposed,
    decode_update,
    encode_update,
)
from streams.contract.persons import partition_of, profile_id_of
from streams.contract.reasons import Reason
from streams.contract.tolerant import Limits
from streams.contract.vectors import VectorBatch, decode_vectors, encode_vectors

__all__ = [
    "CLICKS_SCHEMA",
    "Block",
    "BlockError",
    "Content",
    "ContentError",
    "Contract",
    "Control",
    "ControlError",
    "DeadLetter",
    "Erase",
    "Incoming",
    "Learned",
    "Limits",
    "Minted",
    "ModelUpdate",
    "ModelUpdateError",
    "Names",
    "Proposed",
    "Reason",
    "Result",
    "VectorBatch",
    "Walked",
    "decode_block",
    "decode_content",
    "decode_control",
    "decode_ids",
    "decode_update",
    "decode_vectors",
    "encode_block",
    "encode_content",
    "encode_control",
    "encode_update",
    "encode_vectors",
    "join_blocks",
    "merged",
    "partition_of",
    "profile_id_of",
    "text_of",
]
