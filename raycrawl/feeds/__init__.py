"""The crawl's feed writer: items in, each once, files that are valid after any kill. No Ray in here.

``codec`` carries items between our own processes, ``writer`` owns one feed of ``FEEDS``, ``journal`` is what it knows
to be written, ``parts`` are the files that grow, ``targets`` is where finished files are delivered.
"""

from __future__ import annotations

from raycrawl.feeds.codec import ItemCodec, decode_items, encode_items
from raycrawl.feeds.writer import FeedResult, FeedWriter

__all__ = ["FeedResult", "FeedWriter", "ItemCodec", "decode_items", "encode_items"]
