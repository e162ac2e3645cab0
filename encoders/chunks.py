"""Long texts in pieces that a model sees whole, cut where a reader would pause."""

from __future__ import annotations

import re

__all__ = ["chunks"]

#: Where a text is cut, the best first: after a sentence (no space follows in Chinese), after a clause, at a space.
_PAUSES = tuple(re.compile(pattern) for pattern in (r"[.!?…]+[\"')\]]*\s+|[。！？；\n]+", r"[,;:，、：—]+\s*", r"\s+"))


def chunks(text: str, longest: int) -> list[str]:
    """Return a text in pieces of at most `longest` characters; one that is short enough is returned as it is.

    Each piece takes as many sentences as fit. A sentence that alone is too long is cut after a clause, then at white
    space, and where there is none, anywhere.

    Examples
    --------
    >>> chunks("One two. Three four. Five.", 21)
    ['One two. Three four.', 'Five.']
    """
    if longest < 1:
        msg = f"pieces of {longest} characters; at least 1"
        raise ValueError(msg)
    found = []
    while len(text) > longest:
        place = _place(text, longest)
        found.append(text[:place].strip())
        text = text[place:]
    return [piece for piece in [*found, text.strip() if found else text] if piece]


def _place(text: str, longest: int) -> int:
    """Return where to cut: after the last pause that lies in the second half of what fits, else after `longest`."""
    window = text[: longest + 1]
    for pause in _PAUSES:
        # The space behind a pause goes with it and takes no room.
        ends = [end for match in pause.finditer(window) if len(window[: (end := match.end())].rstrip()) <= longest]
        if ends and ends[-1] > longest // 2:
            return ends[-1]
    return longest
