"""Finished pages on their way from a Downloader to the Scrapers, many to a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.loop import Paced, Tasks
from raycrawl.core.messages import Page, PageFetched

_encode = msgspec.msgpack.Encoder().encode
NO_SCRAPER_WAIT_S = 0.2


class Deliverer:
    """Gathers pages and sends each batch to the Scraper with the least unfinished work.

    A Scraper answers a batch when it has finished it: the bytes that it has not answered for are its load, and its
    credit is what is left of ``credit_nbytes``. While none has credit, pages wait here (the engine counts them and
    backs out). ``on_sent`` gets what was sent where. Messages bear ``sender`` and a number. Pages sent to a Scraper
    that dies are the engine's to lease again.
    """

    def __init__(
        self,
        channel: Channel,
        tasks: Tasks,
        *,
        batch: int,
        nbytes: int,
        delay_s: float,
        on_sent: Callable[[list[PageFetched]], None],
        sender: str,
        credit_nbytes: int = 5_000_000,
    ) -> None:
        self._channel, self._tasks = channel, tasks
        self._batch, self._nbytes = batch, nbytes
        self._credit_nbytes = credit_nbytes
        self._on_sent = on_sent
        self._sender, self._seq = sender, 0
        self._pages: list[Page] = []
        self._sizes: list[int] = []
        self._held_nbytes = 0
        self._answers: dict[str, list[Page]] = {}
        self._load: dict[str, int] = {}
        self._timer = Paced(self.flush, delay_s)

    def undelivered(self) -> list[bytes]:
        """Ids of the pages that wait here."""
        return [page.id for page in self._pages]

    def add(self, page: Page, nbytes: int, *, to: str | None = None) -> None:
        """Takes a page; one that answers a download() goes ``to`` the process that asked."""
        if to is not None:
            self._answers.setdefault(to, []).append(page)
            self._timer.want()
            return
        self._pages.append(page)
        self._sizes.append(nbytes)
        self._held_nbytes += nbytes
        if len(self._pages) >= self._batch or self._held_nbytes >= self._nbytes:
            self._timer.now()
        else:
            self._timer.want()

    def flush(self) -> None:
        """Sends what has been gathered, as far as there is credit."""
        answers, self._answers = self._answers, {}
        for peer, pages in answers.items():
            self._tasks.spawn(self._answer(peer, pages))
        while self._pages:
            chosen = self._choose()
            if chosen is None:
                asyncio.get_running_loop().call_later(NO_SCRAPER_WAIT_S, self._timer.want)
                return
            self._send_batch(chosen)

    def _choose(self) -> str | None:
        peers = self._channel.peers("scraper")
        if not peers:
            return None
        peer = min(peers, key=lambda name: self._load.get(name, 0))
        return peer if self._load.get(peer, 0) < self._credit_nbytes else None

    def _send_batch(self, peer: str) -> None:
        count = nbytes = 0
        while count < len(self._pages) and count < self._batch and (not count or nbytes < self._nbytes):
            nbytes += self._sizes[count]
            count += 1
        pages, sizes = self._pages[:count], self._sizes[:count]
        del self._pages[:count], self._sizes[:count]
        self._held_nbytes -= nbytes
        index, incarnation = int(peer.partition(":")[2]), self._channel.incarnation(peer)
        self._tasks.spawn(self._send(peer, pages, nbytes))
        self._on_sent([PageFetched(p.id, index, incarnation, size) for p, size in zip(pages, sizes, strict=True)])

    async def _answer(self, peer: str, pages: list[Page]) -> None:
        try:
            await self._channel.call(peer, "answers", _encode(pages))
        except PeerDied:
            await asyncio.sleep(0)  # whoever asked is gone

    async def _send(self, peer: str, pages: list[Page], nbytes: int) -> None:
        self._seq += 1
        load, seq = max(1, nbytes), self._seq
        self._load[peer] = self._load.get(peer, 0) + load
        try:
            await self._channel.call(peer, "scrape", _encode(pages), self._sender, seq)
        except PeerDied:
            await asyncio.sleep(0)  # the engine hears of it by itself and leases the pages again
        finally:
            self._load[peer] -= load
            if self._pages:
                self._timer.want()
