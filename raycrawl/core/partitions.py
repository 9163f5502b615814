"""Which shard and which Downloader own a slot.

A slot key is hashed by its registrable domain (so that ``www.example.com`` and ``shop.example.com`` keep their cookies
in one place) to one of a fixed number of partitions; partitions are dealt out to shards and Downloaders. Another number
of shards or Downloaders moves partitions and never rehashes a domain.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

PARTITIONS = 256


@lru_cache(maxsize=1)
def _suffix_list() -> object:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=65536)
def registrable_domain(host: str) -> str:
    """The part of ``host`` that one registers (``a.b.co.uk`` -> ``b.co.uk``); IP addresses and bare names as they are.

    Source: the Public Suffix List that tldextract bundles; nothing is downloaded.
    """
    extracted = _suffix_list()(host)  # type: ignore[operator]
    return str(extracted.top_domain_under_public_suffix or host)


@lru_cache(maxsize=65536)
def partition_of(slot: str) -> int:
    """The partition (0 to ``PARTITIONS`` - 1) of a slot key."""
    return blake2b(registrable_domain(slot).encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % PARTITIONS


def owner_of(slot: str, owners: int) -> int:
    """Which of ``owners`` shards or Downloaders (0 to ``owners`` - 1) owns ``slot``."""
    return partition_of(slot) % owners
