"""The learned scorer's model: what every word, pair of words and character n-gram of a text says about how it feels. Pure.

A multinomial logistic model over hashed features (Weinberger et al., ICML 2009, https://arxiv.org/abs/0902.2206), in two columns: how much a feature
speaks for negative and for positive, against neutral. Features are weighted by rarity (inverse document frequency) and a text's sum is divided by its
length, as in the vector space model; everything is a sum over pieces, so that what a piece adds is worked out once and kept.
Weights are bytes on a quadratic scale. The same file gives the same answers in every process and on every machine.
"""

import hashlib
import json
import math
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from domain.pieces import grams, is_word, pairs, slot, slots
from domain.second import second

MAGIC = b"earmark-model-1\n"
LARGEST = 32 * 1024 * 1024
_CACHED = 60_000
_STEPS = tuple((1 if q >= 0 else -1) * (q / 127) ** 2 for q in (*range(128), *range(-128, 0)))  # of a signed byte


class Weight(NamedTuple):
    """What a piece says for negative and positive, and its part of the text's squared length."""

    negative: float
    positive: float
    length: float


@dataclass(frozen=True, slots=True)
class Said:
    """What the pieces of a text say together, and each one apart: (piece or pair, negative, positive)."""

    negative: float
    positive: float
    parts: tuple[tuple[str, float, float], ...]


class BrokenModelError(ValueError):
    """The bytes are not a model of ours, or not the whole of one."""


class Model:
    """Raises BrokenModelError for bytes that are not whole."""

    def __init__(self, data: bytes) -> None:
        header, negative, positive, rarity, words = _opened(data)
        self.hash = hashlib.sha256(data).hexdigest()[:16]
        self.version = str(header["version"])
        self.languages = frozenset(header["languages"])
        self.bias: tuple[float, float] = tuple(header["bias"])
        self.dense: Mapping[str, tuple[float, float]] = {name: tuple(pair) for name, pair in header["dense"].items()}
        self.about: Mapping[str, Any] = header["about"]
        try:
            self.second = {language: second(given) for language, given in header.get("second", {}).items()}
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenModelError("the model's second look is that of another release: train it again") from error
        self.words: tuple[str, ...] = tuple(words.split("\n"))
        self.known = frozenset(self.words)
        self._mask = len(negative) - 1
        self._slots = _joined(negative, positive, rarity)
        scale, rarest = float(header["scale"]), float(header["rarest"])
        self._weights = tuple(step * scale for step in _STEPS)
        self._lengths = tuple((byte * rarest / 255) * (byte * rarest / 255) for byte in range(256))
        self._pieces: dict[str, Weight] = {}

    def read(self, found: list[str]) -> Said:
        """What these pieces say. An empty list says nothing."""
        pieces, weights, lengths, held = self._pieces, self._weights, self._lengths, self._slots
        parts: list[tuple[str, float, float]] = []
        negative = positive = length = 0.0
        for piece in found:
            weight = pieces.get(piece)
            if weight is None:
                weight = self._piece(piece)
            one, other, size = weight
            parts.append((piece, one, other))
            negative += one
            positive += other
            length += size
        together = [*pairs(found)]
        for name, at in zip(together, slots("b", together, self._mask), strict=True):
            if slot_says := held[at]:  # most pairs were never met
                one, other = weights[slot_says & 255], weights[slot_says >> 8 & 255]
                parts.append((name, one, other))
                negative += one
                positive += other
                length += lengths[slot_says >> 16]
        if not length:
            return Said(0.0, 0.0, ())
        norm = 1 / math.sqrt(length)
        told = tuple([(name, one * norm, other * norm) for name, one, other in parts if one or other])
        return Said(negative * norm, positive * norm, told)

    def _piece(self, piece: str) -> Weight:
        weight = self._sum((slot("w", piece, self._mask), *slots("c", grams(piece), self._mask)))
        if len(self._pieces) >= _CACHED:
            self._pieces.clear()
        if len(piece) <= 40:
            self._pieces[piece] = weight
        return weight

    def _sum(self, found: Iterable[int]) -> Weight:
        negative = positive = length = 0.0
        for at in found:
            if slot_says := self._slots[at]:
                negative += self._weights[slot_says & 255]
                positive += self._weights[slot_says >> 8 & 255]
                length += self._lengths[slot_says >> 16]
        return Weight(negative, positive, length)

    def coverage(self, found: list[str]) -> float:
        """Which share of the words it was taught."""
        words = [piece for piece in found if is_word(piece)]
        return sum(word in self.known for word in words) / len(words) if words else 0.0


def _joined(negative: bytes, positive: bytes, rarity: bytes) -> "array[int]":
    """What a slot says as one number, so that one look fetches it: negative and positive as signed bytes, rarity above; 0 is nothing."""
    down, up, rare = (np.frombuffer(part, np.uint8).astype(np.uint32) for part in (negative, positive, rarity))
    return array("I", ((down ^ 128) | (up ^ 128) << 8 | rare << 16).tobytes())


def packed(header: Mapping[str, Any], negative: bytes, positive: bytes, rarity: bytes, words: Iterable[str]) -> bytes:
    """A model file. Weights are bytes on the quadratic scale, 128 is zero; the same input gives the same bytes."""
    vocabulary = "\n".join(words).encode()
    sizes = {"slots": len(negative), "words": len(vocabulary)}
    head = json.dumps({**header, **sizes}, sort_keys=True, separators=(",", ":")).encode()
    body = len(head).to_bytes(4, "big") + head + negative + positive + rarity + vocabulary
    squeezed = zlib.compress(body, 9)
    return MAGIC + hashlib.sha256(squeezed).digest() + squeezed


def _opened(data: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes, str]:
    if not data.startswith(MAGIC):
        raise BrokenModelError("this is not a model file")
    start = len(MAGIC) + 32
    if hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        raise BrokenModelError("the model file is damaged: its check sum differs")
    unpacker = zlib.decompressobj()
    body = unpacker.decompress(data[start:], LARGEST)
    if unpacker.unconsumed_tail:
        raise BrokenModelError("the model file is larger than any of ours")
    size = int.from_bytes(body[:4], "big")
    header = json.loads(body[4 : 4 + size])
    slots, at = header["slots"], 4 + size
    parts = [body[at + slots * n : at + slots * (n + 1)] for n in range(3)]
    words = body[at + 3 * slots :]
    if slots & (slots - 1) or len(words) != header["words"]:
        raise BrokenModelError("the model file is damaged: its parts do not fit")
    return header, parts[0], parts[1], parts[2], words.decode()
