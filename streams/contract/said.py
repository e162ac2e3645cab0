"""What was said of content so far, in a few bytes each: news is told from repetition and from bare mentions."""

from __future__ import annotations

from collections import OrderedDict
from struct import Struct

import xxhash

from streams.contract.content import Content

__all__ = ["Said"]

#: Ways of naming one piece of content that are remembered; an older one is read again, which costs time and no truth.
_MOST_KEYS = 16
_32_BITS = 0xFFFFFFFF

#: A hash for each field that content can say, 0 for what it doesn't; a change goes unseen once in 4e9.
_FACTS = Struct("6I")
#: Of the facts, those that an encoder reads first: what else changes doesn't go back and forth.
_SHOWN = 4


class Said:
    """Remembers, boundedly, what was said of content, and by which keys of events.

    Parameters
    ----------
    most : int
        Pieces of content that are remembered; one that is forgotten is news again, and whoever encodes merges it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: OrderedDict[int, tuple[bytes, tuple[bytes, ...]]] = OrderedDict()

    def note(self, content: Content, key: bytes | None) -> tuple[bool, list[bytes]]:
        """Take in what is said of a piece of content.

        Parameters
        ----------
        content : Content
            As one event describes it.
        key : bytes or None
            What that event is recognised by when it comes again; None for one that is always read.

        Returns
        -------
        news : bool
            Whether it says anything that wasn't known. A field that it leaves out says nothing.
        outdated : list of bytes
            Keys of earlier events that said otherwise: if such an event comes again, it is news.
        """
        facts = _facts(content)
        before = self._of.get(content.content_id)
        if before is None:  # most content is said once, or the same way again
            self._remember(content.content_id, _FACTS.pack(*facts), (key,) if key is not None and any(facts) else ())
            return True, []
        packed, keys = before
        kept = [one for one in keys if one != key]
        outdated: list[bytes] = []
        known = _FACTS.unpack(packed)
        if any(a and b and a != b for a, b in zip(facts[:_SHOWN], known[:_SHOWN], strict=True)):
            kept, outdated = [], kept
        merged = _FACTS.pack(*(later or earlier for later, earlier in zip(facts, known, strict=True)))
        if key is not None and any(facts):
            kept.append(key)
        if len(kept) > _MOST_KEYS:
            outdated.append(kept.pop(0))
        self._remember(content.content_id, merged, tuple(kept))
        return merged != packed, outdated

    def forget(self, content: Content) -> None:
        """Whatever is said of it is news again."""
        self._of.pop(content.content_id, None)

    def _remember(self, content_id: int, facts: bytes, keys: tuple[bytes, ...]) -> None:
        self._of[content_id] = facts, keys
        if len(self._of) > self._most:
            self._of.popitem(last=False)


def _facts(content: Content) -> tuple[int, ...]:
    return (
        _fact(content.title), _fact(content.text), _fact(content.image_url), _fact(content.video_url),
        _fact("\0".join(content.categories)), _fact(content.brand),
    )  # fmt: skip


def _fact(text: str) -> int:
    return (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) & _32_BITS or 1) if text else 0
