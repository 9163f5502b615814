"""Host names to addresses, off the event loop, with a bounded cache.

A thread pool of its own: the event loop's has a handful of threads, and a few hosts with slow name servers would hold
up every other lookup.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from raycrawl.exceptions import CannotResolveHostError

# getaddrinfo does not tell the record's time to live; most sites use 60 s to an hour.
CACHE_S = 300.0


class Resolver:
    """Resolves names once per ``CACHE_S``; concurrent questions for one name share the answer.

    Args:
        cache_size: names kept (``DNSCACHE_SIZE``); 0 keeps none (``DNSCACHE_ENABLED = False``).
        timeout_s: ``DNS_TIMEOUT``.
        threads: lookups at a time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        cache_size: int = 10_000,
        timeout_s: float = 60.0,
        threads: int = 128,
    ) -> None:
        self._loop = loop
        self._cache_size = cache_size
        self._timeout_s = timeout_s
        self._cache: OrderedDict[str, tuple[float, list[str]]] = OrderedDict()
        self._pending: dict[str, asyncio.Future[list[str]]] = {}
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="raycrawl-dns")

    async def resolve(self, host: str) -> list[str]:
        """The addresses of ``host``, in the order of preference of the system.

        Raises:
            CannotResolveHostError: none, or no answer in time.
        """
        name = host.rstrip(".").lower()
        if name.endswith(".localhost"):  # RFC 6761 section 6.3
            name = "localhost"
        cached = self._cache.get(name)
        if cached is not None and cached[0] > self._loop.time():
            return cached[1]
        pending = self._pending.get(name)
        if pending is None:
            pending = self._loop.run_in_executor(self._executor, _lookup, name)
            self._pending[name] = pending
            pending.add_done_callback(lambda done: self._remember(name, done))
        try:
            return await asyncio.wait_for(asyncio.shield(pending), self._timeout_s)
        except TimeoutError:
            raise CannotResolveHostError(f"no answer from DNS for {host!r} in {self._timeout_s:g} s") from None
        except (OSError, UnicodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            raise CannotResolveHostError(f"DNS lookup failed for {host!r}: {reason}") from exc

    def close(self) -> None:
        """Forget everything; lookups under way end in their threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._cache.clear()

    def _remember(self, name: str, done: asyncio.Future[list[str]]) -> None:
        self._pending.pop(name, None)
        if done.cancelled() or done.exception() is not None or not self._cache_size:
            return
        self._cache[name] = (self._loop.time() + CACHE_S, done.result())
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def _lookup(name: str) -> list[str]:
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
