"""``await engine.download(request)`` from a Scraper or the engine: asked in batches of the slot's Downloader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl.actors.channel import Channel
from raycrawl.actors.loop import CallLaterOnce, Tasks
from raycrawl.core.messages import Page
from raycrawl.core.partitions import owner_of

if TYPE_CHECKING:
    from raycrawl.http import Request, Response

GATHER_S = 0.005
_decode_pages = msgspec.msgpack.Decoder(list[Page]).decode


class RemoteDownloads:
    """The downloads that this process waits for.

    Invariant: every number in ``_waiting`` has been, or is about to be, sent to the Downloader that owns its slot;
    after that Downloader was replaced they are sent again.
    """

    def __init__(self, channel: Channel, tasks: Tasks, asker: str, downloaders: int, incarnation: int = 0) -> None:
        self._channel, self._tasks = channel, tasks
        self._asker, self._downloaders = asker, downloaders
        self._waiting: dict[int, tuple[int, bytes, asyncio.Future[Any]]] = {}
        self._unsent: dict[int, list[int]] = {}
        self._number = incarnation << 32  # an answer to the process before this one is not for us
        self._timer = CallLaterOnce(self._send_all)

    def download(self, request: Request, spider: Any) -> asyncio.Future[Response]:
        """The response to come. Raises: ValueError when the request cannot travel."""
        from raycrawl import records

        payload = records.encode_request(request.replace(callback=None, errback=None), spider)
        self._number += 1
        owner = owner_of(records.slot_key(request), self._downloaders)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = (owner, payload, future)
        self._unsent.setdefault(owner, []).append(self._number)
        self._timer.schedule(GATHER_S)
        return future

    def resend(self, peers: list[str]) -> None:
        """These Downloaders are new: what was asked of the ones before them is asked again."""
        owners = {int(peer.partition(":")[2]) for peer in peers}
        for number, (owner, _, _) in self._waiting.items():
            if owner in owners and number not in self._unsent.get(owner, ()):
                self._unsent.setdefault(owner, []).append(number)
        if self._unsent:
            self._timer.schedule(0.0)

    def answered(self, blob: bytes, spider: Any) -> None:
        """Answers came (an encoded list of Page)."""
        for page in _decode_pages(blob):
            self._answered(page, spider)

    def _answered(self, page: Page, spider: Any) -> None:
        from raycrawl import records

        waiting = self._waiting.pop(page.answer, None)
        if waiting is None or waiting[2].done():
            return
        request = records.decode_request(page.request, spider)
        if page.response is not None:
            waiting[2].set_result(records.decode_response(page.response, request))
            return
        from raycrawl.failure import Failure

        waiting[2].set_exception(Failure.from_dict(msgspec.msgpack.decode(page.failure or b"\x80")).value)

    def _send_all(self) -> None:
        unsent, self._unsent = self._unsent, {}
        for owner, numbers in unsent.items():
            batch = [(number, self._waiting[number][1]) for number in numbers if number in self._waiting]
            if batch:
                blob = msgspec.msgpack.encode(batch)
                call = self._channel.call_durably(f"downloader:{owner}", "download_for", self._asker, blob)
                self._tasks.spawn(call)
