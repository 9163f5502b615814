"""What the HTTP cache is made of: policies, which decide, and storages, which keep.

``FilesystemCacheStorage`` and ``FsspecCacheStorage`` (``HTTPCACHE_DIR = "s3://bucket/cache"``) may be shared by many
processes and machines. A ``DbmCacheStorage`` belongs to one process: use it with one Downloader.
"""

from __future__ import annotations

from raycrawl.extensions.httpcachepolicy import DummyPolicy, RFC2616Policy, parse_cachecontrol, rfc1123_to_epoch
from raycrawl.extensions.httpcachestorage import DbmCacheStorage, FilesystemCacheStorage, FsspecCacheStorage

__all__ = [
    "DbmCacheStorage",
    "DummyPolicy",
    "FilesystemCacheStorage",
    "FsspecCacheStorage",
    "RFC2616Policy",
    "parse_cachecontrol",
    "rfc1123_to_epoch",
]
