"""Tokenizers, outside the graph: strings in, token numbers out, begun, ended and cut as the manifest says."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import sentencepiece
import tokenizers

from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest

__all__ = ["Tokenize", "load_tokenizer"]

#: Text to ids; an empty list when nothing but begin and end is left of it.
Tokenize = Callable[[str], list[int]]

_BOS, _EOS = 1, 2


def load_tokenizer(manifest: Manifest) -> Tokenize:
    """Return the tokenizer beside a manifest.

    Raises
    ------
    BrokenEncoderError
        It is of no known kind, or can't be read.
    """
    makers = {"sentencepiece": _sentencepiece, "tokenizers": _tokenizers}
    if manifest.tokenizer not in makers:
        msg = f"{manifest.id}: tokenizer {manifest.tokenizer!r} is none of {', '.join(makers)}"
        raise BrokenEncoderError(msg)
    try:
        return makers[manifest.tokenizer](manifest)
    except Exception as error:
        msg = f"{manifest.id}: its tokenizer can't be read: {error}"
        raise BrokenEncoderError(msg) from error


def _sentencepiece(manifest: Manifest) -> Tokenize:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(manifest.path("tokenizer.model")))
    room = manifest.max_len - 2

    def tokenize(text: str) -> list[int]:
        ids: list[int] = processor.encode(unicodedata.normalize("NFKC", text))
        return [_BOS, *ids[:room], _EOS] if ids else []

    return tokenize


def _tokenizers(manifest: Manifest) -> Tokenize:
    tokenizer = tokenizers.Tokenizer.from_file(str(manifest.path("tokenizer.json")))
    tokenizer.no_padding()
    # Its own truncation keeps begin and end in place, whatever template adds them.
    tokenizer.enable_truncation(manifest.max_len)
    special = tokenizer.num_special_tokens_to_add(is_pair=False)

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text).ids
        return ids if len(ids) > special else []

    return tokenize
