"""E-mail addresses never get past intake when they are to be an identifier: a hash takes the place of each (opt-in).

The hash is SHA-256 of the address without blanks around it and in small letters, what advertising platforms match
audiences by. A hash hides an address from whoever reads tables, not from whoever guesses addresses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.block import Names

__all__ = [
    "BETWEEN",
    "EMAIL",
    "beside",
    "email_ids",
    "hash_of_email",
    "instead_of",
    "is_hashed_email",
    "without_emails",
]

#: What the anonymous id begins with that an e-mail address is.
EMAIL = "email:"
#: Between an anonymousId and an e-mail id that one event names; no id contains it.
BETWEEN = "\0"

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_HASHED = re.compile(r'"email":"(sha256:[0-9a-f]{64})"')
#: RFC 5321's lengths, which also bound what a search costs; an @ may be escaped in JSON.
_ADDRESS = re.compile(
    rb"[A-Za-z0-9.!#$%&'*+=?^_`{|}~\x80-\xff-]{1,64}(?:@|\\u0040)"
    rb"[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]{0,62})(?:\.[A-Za-z0-9\x80-\xff-]{1,63}){0,8}"
)
#: A field of that name, whatever is in it.
_FIELD = re.compile(rb'("e-?mail"\s*:\s*)("(?:[^"\\]|\\.)*")', re.IGNORECASE)


def hash_of_email(address: str) -> str:
    """Return what stands for an address.

    >>> hash_of_email(" Ann@Example.com ")[:20]
    'sha256:71d4f55f72fa1'
    """
    return f"sha256:{hashlib.sha256(address.strip().lower().encode('utf-8', 'replace')).hexdigest()}"


def without_emails(value: bytes) -> bytes:
    """Return an event's bytes, or any others, with a hash in the place of each address.

    >>> without_emails(b'{"text":"write to ann@example.com!"}').startswith(b'{"text":"write to sha256:')
    True
    """
    if b"@" not in value and b"\\u0040" not in value:
        return value
    return _ADDRESS.sub(_hashed_address, _FIELD.sub(_hashed_field, value))


def _hashed_field(found: re.Match[bytes]) -> bytes:
    try:
        text = json.loads(found[2])
    except ValueError:
        return found[0]
    return found[1] + b'"' + hash_of_email(text).encode() + b'"' if "@" in text else found[0]


def _hashed_address(found: re.Match[bytes]) -> bytes:
    return hash_of_email(found[0].replace(b"\\u0040", b"@").decode("utf-8", "replace")).encode()


def is_hashed_email(value: object) -> bool:
    """Return whether a trait is what `hash_of_email` returns."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def email_ids(traits: Sequence[str | None], codes: npt.NDArray[np.int32]) -> Names:
    """Return each event's e-mail as an id, given distinct traits as JSON text and which of them an event has."""
    found = [match and EMAIL + match[1] for match in (_HASHED.search(text or "") for text in traits)]
    names = Names.of(pa.array(found, pa.utf8()).dictionary_encode())
    return Names(names.codes[codes] if len(traits) else np.full(len(codes), -1, np.int32), names.values)


def instead_of(missing: Names, emails: Names) -> Names:
    """Return anonymousIds, and the e-mail of whoever has none."""
    return _paired(np.where(missing.codes >= 0, -1, emails.codes), missing, emails)


def beside(anonymous: Names, emails: Names, identified: npt.NDArray[np.bool_]) -> Names:
    """Return what identified people are named by beside their userId: an anonymousId, an e-mail, or both."""
    return _paired(np.where(identified, emails.codes, -1), anonymous, emails)


def _paired(codes: npt.NDArray[np.int32], names: Names, emails: Names) -> Names:
    has = np.flatnonzero(codes >= 0)
    if not len(has):
        return names
    pairs, place = np.unique(np.stack([names.codes[has], codes[has]]), axis=1, return_inverse=True)
    first, second = names.values.to_pylist(), emails.values.to_pylist()
    texts = [second[b] if a < 0 else first[a] + BETWEEN + second[b] for a, b in pairs.T.tolist()]
    joined = names.codes.astype(np.int32, copy=True)
    joined[has] = len(first) + place
    again = Names.of(pa.array([*first, *texts], pa.utf8()).dictionary_encode())
    return Names(np.append(again.codes, np.int32(-1))[joined], again.values)
