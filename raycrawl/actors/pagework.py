"""A page in a Scraper: what must be durable before it has ended, and whether its callback still moves."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Any

from raycrawl.actors.guard import CallbackInterrupt
from raycrawl.core.messages import Outcome, Page
from raycrawl.exceptions import CallbackTimeoutError


class PageWork:
    """One page in this Scraper, and the ticket for all that must be durable before it is done.

    ``id`` is where its items and requests come from: the page's, or, for one that is given up, another, so that what
    its errback gives is not taken for what its callback gave before. ``is_in_callback``: the spider's code was called
    and has not answered; ``stepped_s`` is when it last had the CPU, ``downloads`` how many ``engine.download()`` calls
    it waits for.
    Invariant: ``ended`` is called once, when the callback has finished and nothing of the page is on its way any more.
    """

    __slots__ = (
        "_ended", "_pending", "downloads", "id", "is_in_callback", "is_late", "is_private", "is_start", "outcome",
        "page_id", "part", "part_nbytes", "parts", "producers", "requests", "stepped_s", "task", "uncounted",
    )  # fmt: skip

    def __init__(self, page_id: bytes, ended: Any, *, source_id: bytes = b"") -> None:
        self.page_id = page_id
        self.id = source_id or page_id
        self.requests = 0
        self.part: list[tuple[bytes, bytes]] = []  # encoded items, see ItemBox
        self.part_nbytes = self.parts = 0
        self.producers = 1  # the callback, and items that are in pipelines
        self.outcome = Outcome.DONE
        self.is_private: bool | None = None  # None: its requests come from no page
        self.is_start = False
        self.uncounted = 0
        self.stepped_s = 0.0
        self.is_in_callback = False
        self.is_late = False
        self.downloads = 0
        self.task: asyncio.Task[Any] | None = None
        self._pending = 1
        self._ended = ended

    def hold(self) -> None:
        """One more thing is on its way."""
        self._pending += 1

    def release(self) -> None:
        """One of them is durable; after the last, the page has ended."""
        self._pending -= 1
        if not self._pending:
            self._ended(self)

    def waits_for(self, download: asyncio.Future[Any]) -> None:
        """The callback waits for a download, which has a timeout of its own."""
        self.downloads += 1
        download.add_done_callback(self._downloaded)

    def _downloaded(self, download: asyncio.Future[Any]) -> None:
        self.downloads -= 1

    def end_if_late(self, now_s: float, timeout_s: float) -> None:
        """Cancels the task of a callback that has waited for something of its own for too long."""
        is_stuck = self.is_in_callback and not self.downloads and now_s - self.stepped_s > timeout_s
        if is_stuck and self.task is not None:
            self.is_late = True
            self.task.cancel()

    def is_being_cancelled(self, error: BaseException) -> bool:
        """True: the actor is being ended; the callback has done nothing."""
        if not isinstance(error, asyncio.CancelledError) or self.is_late:
            return False
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def lateness(self, error: BaseException, name: str, timeout_s: float) -> CallbackTimeoutError | None:
        """The error for the user when ``name()`` ran for too long; None: ``error`` is of another kind."""
        if not isinstance(error, CallbackInterrupt) and not self.is_late:
            return None
        if self.is_late and self.task is not None:
            self.is_late = False
            self.task.uncancel()
        return CallbackTimeoutError(f"{name}() ran for more than {timeout_s:g} s (SCRAPER_TIMEOUT)")


class Rest:
    """Waits until every page of a batch has ended."""

    def __init__(self) -> None:
        self.count = 0
        self._future: asyncio.Future[None] | None = None

    def wrap(self, ended: Any) -> Any:
        """``ended`` for a page of the batch."""

        def call(work: PageWork) -> None:
            ended(work)
            self.count -= 1
            if not self.count and self._future is not None and not self._future.done():
                self._future.set_result(None)

        return call

    async def wait(self) -> None:
        """Returns when all have ended."""
        if self.count:
            self._future = asyncio.get_running_loop().create_future()
            await self._future


def source_id(page: Page) -> bytes:
    """Where the items and requests of a page's callback or errback come from; see ``PageWork.id``."""
    return blake2b(page.id, digest_size=16, person=b"given up").digest() if page.is_given_up else page.id
