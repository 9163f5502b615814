"""What an actor has to tell the engine, gathered into few messages: law 3, never one message per page."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from typing import Any

import msgspec

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.loop import Paced, Tasks
from raycrawl.core.facade import EngineStatus
from raycrawl.core.messages import Ack, LogLine, Outcome, PageFetched, Report, SlotNotice

STATS_INTERVAL_S = 0.05
_encode = msgspec.msgpack.Encoder().encode
_decode_status = msgspec.msgpack.Decoder(EngineStatus).decode


class Reporter:
    """Buffers facts and sends them, one message at a time, so that the next one gathers while the last travels.

    A message leaves when ``batch`` pages have ended, else at most one every ``interval_s``.
    ``take_stats`` gives the stats since the last call (None: no change), ``on_status`` gets the engine's answer.
    """

    def __init__(
        self,
        channel: Channel,
        tasks: Tasks,
        *,
        sender: str,
        incarnation: int,
        batch: int,
        interval_s: float,
        take_stats: Callable[[], Any],
        on_status: Callable[[EngineStatus], None],
    ) -> None:
        self._channel, self._tasks = channel, tasks
        self._sender, self._incarnation = sender, incarnation
        self._batch = batch
        self._take_stats, self._on_status = take_stats, on_status
        self._stats_at_s = 0.0
        self._seq = 0
        self._sending = False
        self._idle = asyncio.Event()
        self._timer = Paced(self._send_soon, interval_s)
        self._fetched: list[PageFetched] = []
        self._acks: list[Ack] = []
        self._released: list[bytes] = []
        self._touched: set[int] = set()
        self._slots: list[SlotNotice] = []
        self._logs: list[LogLine] = []
        self._events: list[tuple[str, bytes]] = []
        self._close_reason = ""
        self._alone: bytes | None = None
        self._disk_full: bool | None = None
        self._in_message: list[bytes] = []
        self.waiting: Callable[[], int] = int
        self.sink_lag: Callable[[], int] = int

    def fetched(self, pages: list[PageFetched]) -> None:
        """Responses went to a Scraper."""
        self._fetched += pages
        self.kick()

    def ended(self, page_id: bytes, outcome: Outcome = Outcome.DONE) -> None:
        """A page ended: its children are durable, its items committed."""
        self._acks.append(Ack(page_id, outcome))
        self.kick()

    def released(self, page_ids: list[bytes]) -> None:
        """Pages go back unfetched."""
        self._released += page_ids
        self._timer.now()

    def touched(self, shard: int) -> None:
        """New requests are durable in a shard."""
        self._touched.add(shard)
        self.kick()

    def slot(self, notice: SlotNotice) -> None:
        """A slot is served differently from now on."""
        self._slots.append(notice)
        self.kick()

    def log(self, line: LogLine) -> None:
        """A log line; it travels with the next message."""
        self._logs.append(line)
        self._timer.want()

    def event(self, signal: str, payload: bytes) -> None:
        """A signal that someone in the engine's process listens to."""
        self._events.append((signal, payload))
        self.kick()

    def close(self, reason: str) -> None:
        """The spider asked to be closed."""
        self._close_reason = self._close_reason or reason
        self._timer.now()

    async def alone(self, page_id: bytes) -> None:
        """From here on this process works on a suspect, which is to blame if it dies; b"": it no longer does."""
        self._alone = page_id
        await self.flush()

    def disk_full(self, is_full: bool) -> None:
        """This process's store has no room, or has some again."""
        self._disk_full = is_full
        self._timer.now()

    def unreported(self) -> list[bytes]:
        """Ids of pages whose end the engine may not have heard of yet."""
        ended = [ack.id for ack in self._acks]
        return [*self._in_message, *ended, *(page.id for page in self._fetched), *self._released]

    def kick(self) -> None:
        """Send before long."""
        if len(self._acks) >= self._batch or len(self._fetched) >= self._batch:
            self._timer.now()
        else:
            self._timer.want()

    def _send_soon(self) -> None:
        if not self._sending:
            self._sending = True
            self._tasks.spawn(self._send())

    async def _send(self) -> None:
        try:
            status = await self._channel.call("engine", "report", _encode(self._take()))
            self._on_status(_decode_status(status))
        except PeerDied:
            return  # a crawl does not outlive its engine: this process is about to end
        finally:
            self._in_message = []
            self._sending = False
            self._idle.set()
            self._idle.clear()
        if self._acks or self._fetched or self._released or self._touched or self._close_reason:
            self.kick()

    async def flush(self) -> None:
        """Sends everything there is, stats included; the engine has it when this returns."""
        while self._sending:
            await self._idle.wait()
        self._stats_at_s = 0.0
        self._timer.cancel()
        self._sending = True
        await self._send()

    def _take(self) -> Report:
        self._seq += 1
        report = Report(
            sender=self._sender,
            incarnation=self._incarnation,
            seq=self._seq,
            fetched=self._fetched,
            acks=self._acks,
            released=self._released,
            touched=sorted(self._touched),
            slots=self._slots,
            stats=self._stats(),
            logs=self._logs,
            events=self._events,
            alone=self._alone,
            disk_full=self._disk_full,
            close_reason=self._close_reason,
            waiting=self.waiting(),
            sink_lag_nbytes=self.sink_lag(),
        )
        self._in_message = [*(ack.id for ack in self._acks), *(p.id for p in self._fetched), *self._released]
        self._fetched, self._acks, self._released, self._slots = [], [], [], []
        self._logs, self._events, self._touched, self._close_reason = [], [], set(), ""
        self._alone = self._disk_full = None
        return report

    def _stats(self) -> bytes:
        now_s = time.monotonic()
        # What a page counted travels with its end, so that a page that is done again after a kill counts once.
        if not self._acks and now_s - self._stats_at_s < STATS_INTERVAL_S:
            asyncio.get_running_loop().call_later(STATS_INTERVAL_S, self._timer.want)
            return b""
        self._stats_at_s = now_s
        delta = self._take_stats()
        return pickle.dumps(delta, protocol=5) if delta else b""
