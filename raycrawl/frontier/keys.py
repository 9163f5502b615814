"""How entries are laid out in a store, so that a slot's next request is one seek.

======  ==========================================  =================================================================
area    key                                         value
======  ==========================================  =================================================================
SEEN    request id (16)                             not DONE: slot key + rank (24); DONE: slot key + outcome (13)
QUEUE   slot key (12) + rank (12)                   attempts (1), enqueued_s (4), request id (16), payload
SLOTS   slot key (12)                               ``SlotRecord``
META    ``b"counts"``, ``b"format"``                ``COUNTS``, one byte
======  ==========================================  =================================================================

A slot key starts with the slot's partition, so a partition is one range of keys in QUEUE and SLOTS, and the first byte
of a SEEN value names it too: re-dealing partitions to another number of shards reads no payload.
A rank sorts by priority (highest first), then lane (requests of callbacks before start requests), then sequence
(newest first for LIFO, oldest first for FIFO; start requests are always FIFO).
All integers are big-endian, so that bytes sort as numbers.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

import msgspec

FORMAT = 1
"""The version of this layout."""

ID_NBYTES = 16
SLOT_NBYTES = 12
RANK_NBYTES = 12
LOCATION_NBYTES = SLOT_NBYTES + RANK_NBYTES

COUNTS_KEY = b"counts"
FORMAT_KEY = b"format"
COUNTS = Struct(">6Q")
"""enqueued, done, failed, dropped, filtered, sequence."""

OUTCOMES = ("done", "failed", "dropped")
"""What the last byte of a DONE request's SEEN value means (``core.messages.Outcome``)."""

_RANK = Struct(">IQ")
_HEAD = Struct(">BI16s")
_HEAD_NBYTES = _HEAD.size
_PRIORITY_ORIGIN = 0x7FFFFFFF
_PRIORITY_MIN, _PRIORITY_MAX = -0x80000000, 0x7FFFFFFF
_SEQUENCE_MASK = (1 << 56) - 1
_START_LANE = 1 << 56


class SlotRecord(msgspec.Struct, array_like=True):
    """A slot on disk: its name, and what the Downloader told about it (None: as the policy says)."""

    name: str
    delay_s: float | None = None
    concurrency: int | None = None
    not_before_s: float = 0.0


class Entry(msgspec.Struct, frozen=True):
    """The value of a queued request."""

    attempts: int
    enqueued_s: int
    id: bytes
    payload: bytes


_slot_encoder = msgspec.msgpack.Encoder()
_slot_decoder = msgspec.msgpack.Decoder(SlotRecord)
encode_slot = _slot_encoder.encode
decode_slot = _slot_decoder.decode


def slot_key(name: str, partition: int) -> bytes:
    """The key of slot ``name``: its partition and 88 bits of a digest of the name."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=SLOT_NBYTES - 1).digest()
    return bytes((partition,)) + digest


def rank(priority: int, sequence: int, *, is_start: bool, is_fifo: bool) -> bytes:
    """Where a request stands in its slot's queue; priorities outside of 32 bits count as the nearest one inside."""
    priority = min(max(priority, _PRIORITY_MIN), _PRIORITY_MAX)
    if is_start:
        return _RANK.pack(_PRIORITY_ORIGIN - priority, _START_LANE | sequence)
    return _RANK.pack(_PRIORITY_ORIGIN - priority, sequence if is_fifo else _SEQUENCE_MASK - sequence)


def urgency(rank_: bytes) -> int:
    """The inverted priority of a rank: the smaller, the sooner."""
    return int.from_bytes(rank_[:4], "big")


def priority_of(rank_: bytes) -> int:
    """The priority that ``rank_`` was made with."""
    return _PRIORITY_ORIGIN - urgency(rank_)


def sequence_of(rank_: bytes) -> int:
    """The sequence number that ``rank_`` was made with (LIFO ranks count down from the largest)."""
    field = int.from_bytes(rank_[5:], "big")
    return min(field, _SEQUENCE_MASK - field)


def encode_entry(attempts: int, enqueued_s: float, id_: bytes, payload: bytes) -> bytes:
    """The QUEUE value of a request."""
    return _HEAD.pack(min(attempts, 255), min(max(int(enqueued_s), 0), 0xFFFFFFFF), id_) + payload


def decode_entry(value: bytes) -> Entry:
    """The request in a QUEUE value."""
    attempts, enqueued_s, id_ = _HEAD.unpack_from(value)
    return Entry(attempts, enqueued_s, id_, value[_HEAD_NBYTES:])


def entry_id(value: bytes) -> bytes:
    """The request id in a QUEUE value."""
    return value[5 : 5 + ID_NBYTES]


def enqueued_s_of(value: bytes) -> int:
    """When the request in a QUEUE value was enqueued, in whole seconds."""
    return int.from_bytes(value[1:5], "big")


def done_value(slot_key_: bytes, outcome: int) -> bytes:
    """The SEEN value of a request that ended with ``outcome``."""
    return slot_key_ + bytes((outcome,))


def is_done(seen_value: bytes) -> bool:
    """True: the request ended; False: it is queued (PENDING or LEASED)."""
    return len(seen_value) != LOCATION_NBYTES


def prefix_end(prefix: bytes) -> bytes:
    """The smallest key that is greater than every key that starts with ``prefix``."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return b"\xff" * (len(prefix) + LOCATION_NBYTES)
    return stripped[:-1] + bytes((stripped[-1] + 1,))
