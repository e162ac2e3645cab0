"""Sixteen letters at a time: what numba has no words for, said to LLVM, which knows how every machine does it.

A walk over JSON letter by letter spends most of its time on guessing wrongly where a text ends; here is no guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["WIDTH", "ascii_run", "copy_run", "plain_run", "same_run"]

#: How many letters are looked at at once. Whoever asks sees to it that so many are there.
WIDTH = 16

_QUOTE, _BACKSLASH, _BLANK, _HIGH = 34, 92, 32, 0x80
_LETTERS = ir.VectorType(ir.IntType(8), WIDTH)
_BITS, _WORD = ir.IntType(WIDTH), ir.IntType(64)

#: numba's decorator says of its functions that they take what their makers take.
_word: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic


@_word
def plain_run(typingctx: Any, letters: Any, at: Any) -> Any:
    """plain_run(letters, at): how many letters from `at` come before the first quote, backslash or control."""

    def stops(builder: ir.IRBuilder, loaded: list[ir.Value]) -> ir.Value:
        quote = builder.icmp_unsigned("==", loaded[0], _sixteen(_QUOTE))
        backslash = builder.icmp_unsigned("==", loaded[0], _sixteen(_BACKSLASH))
        return builder.or_(builder.or_(quote, backslash), builder.icmp_unsigned("<", loaded[0], _sixteen(_BLANK)))

    return types.int64(letters, at), _run(stops)


@_word
def ascii_run(typingctx: Any, letters: Any, at: Any) -> Any:
    """ascii_run(letters, at): how many letters from `at` come before the first one that isn't ASCII."""

    def stops(builder: ir.IRBuilder, loaded: list[ir.Value]) -> ir.Value:
        return builder.icmp_unsigned(">=", loaded[0], _sixteen(_HIGH))

    return types.int64(letters, at), _run(stops)


@_word
def same_run(typingctx: Any, letters: Any, at: Any, others: Any, place: Any) -> Any:
    """same_run(letters, at, others, place): how many letters from `at` are those from `place` of others."""

    def stops(builder: ir.IRBuilder, loaded: list[ir.Value]) -> ir.Value:
        return builder.icmp_unsigned("!=", loaded[0], loaded[1])

    return types.int64(letters, at, others, place), _run(stops)


@_word
def copy_run(typingctx: Any, letters: Any, at: Any, out: Any, to: Any) -> Any:
    """copy_run(letters, at, out, to): copy sixteen letters."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        source, target = _places(context, builder, signature, arguments)
        builder.store(builder.load(source, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(letters, at, out, to), code


def _sixteen(letter: int) -> ir.Constant:
    return ir.Constant(_LETTERS, [letter] * WIDTH)


def _run(stops: Callable[[ir.IRBuilder, list[ir.Value]], ir.Value]) -> Callable[..., ir.Value]:
    """Return what writes the code: the number of letters before the first of those for which `stops` holds."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        loaded = [builder.load(place, align=1) for place in _places(context, builder, signature, arguments)]
        bits = builder.zext(builder.bitcast(stops(builder, loaded), _BITS), _WORD)
        ending = builder.or_(bits, ir.Constant(_WORD, 1 << WIDTH))
        return builder.cttz(ending, ir.Constant(ir.IntType(1), 1))

    return code


def _places(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> list[ir.Value]:
    """Return where sixteen letters lie, for each array and the place in it that follows."""
    firsts = [
        builder.gep(context.make_array(kind)(context, builder, array).data, [at])
        for kind, array, at in zip(signature.args[::2], arguments[::2], arguments[1::2], strict=True)
    ]
    return [builder.bitcast(first, _LETTERS.as_pointer()) for first in firsts]
