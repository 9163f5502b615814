"""The ExecutionEngine actor: the shell around ``raycrawl.core.engine``, which decides.

It turns calls of other actors into events, carries out commands, wakes up for many reasons but runs once
(``CallLaterOnce``), and has a heartbeat as a safety net. Ledger, needs_backout and idle are the core's.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import Any

import msgspec

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.closing import Closing
from raycrawl.actors.crew import ActorHost, CannotOpen, Crew
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.loop import CallLaterOnce, Tasks
from raycrawl.actors.orders import Orders
from raycrawl.actors.process import Boot, Health, Pulse
from raycrawl.actors.record import Record
from raycrawl.actors.supervision import Supervision
from raycrawl.core import events as ev
from raycrawl.core.backpressure import Limits
from raycrawl.core.engine import EngineConfig, EngineCore
from raycrawl.core.facade import EngineStatus
from raycrawl.core.messages import LeaseReply, Page, Report

logger = logging.getLogger(__name__)
_decode_report = msgspec.msgpack.Decoder(Report).decode
_decode_lease = msgspec.msgpack.Decoder(LeaseReply).decode
_encode = msgspec.msgpack.Encoder().encode


class ExecutionEngine(Supervision, Orders):
    """The only one that decides, once per crawl.

    Owns the core, the crew of actors, the record (stats, logs, extensions). ``Supervision`` watches and replaces the
    crew, ``Orders`` is what others ask of the crawl. Invariant: commands are carried out in the order in which the core
    gives them; answers come back as events, in whatever order.
    """

    def __init__(self, boot: Boot, channel: Channel, host: ActorHost) -> None:
        self.boot, self.channel, self._host = boot, channel, host
        self.tasks = Tasks("engine")
        self.pulse = Pulse()
        self._wakeup = CallLaterOnce(lambda: self._handle(ev.TimePassed()))
        self._batches: dict[tuple[int, int], bytes] = {}
        self._poison: dict[int, list[Page]] = {}
        self._full_since_s = None
        self._forgettable = []

    async def begin(self, myself: Any = None) -> dict[str, Any]:
        """Creates and opens every actor and starts the crawl; an error is told as text."""
        boot = self.boot
        crawler = boot.load_crawler()
        self.record = Record(crawler, boot, link=self)
        self.core = EngineCore(self._config(crawler.settings), now_s=time.monotonic())
        roster = {
            "scheduler": boot.shards,
            "sink": boot.sinks,
            "pipeline": int(boot.has_single_pipelines),
            "downloader": boot.downloaders,
            "scraper": boot.scrapers,
        }
        self.crew = Crew(self.channel, self._host, roster, myself)
        self.core.start.exhausted = self.record.start_exhausted
        self.closing = Closing(self.crew, self.record)
        self.downloads = RemoteDownloads(self.channel, self.tasks, "engine", boot.downloaders)
        self.channel.on_death = lambda peer, incarnation: self._suspect(peer, incarnation)
        try:
            await self.crew.open_all()
        except CannotOpen as error:
            self.crew.kill_all()
            return {"error": str(error), "pids": {}}
        await self._opened(crawler.settings)
        gc.collect()
        gc.freeze()  # see ActorProcess.begin
        return {"error": "", "pids": self.crew.pids()}

    async def _opened(self, settings: Any) -> None:
        listening = self.record.listens_to()
        await self.crew.gather("scraper", "forward", listening)
        await self.crew.gather("downloader", "forward", listening)
        await self.crew.gather("pipeline", "forward", listening)
        await self.crew.gather("downloader", "restore", self.record.downloader_states, self.record.slot_notices())
        await self.record.opened()
        self._handle(ev.Opened())
        interval_s = settings.getfloat("HEARTBEAT_INTERVAL", 5.0)
        self._keeper = asyncio.get_running_loop().create_task(self._keep_stats())
        self._beats = asyncio.get_running_loop().create_task(self._heartbeat(interval_s)) if interval_s > 0 else None

    def _config(self, settings: Any) -> EngineConfig:
        boot = self.boot
        window = 2 * boot.concurrency
        limits = Limits(
            window=window,
            undone=window,
            held=max(4096, 8 * window),
            unscraped_nbytes=settings.getint("SCRAPER_SLOT_MAX_ACTIVE_SIZE", 5_000_000) * boot.scrapers,
            unscraped=max(window, 16 * boot.scrapers),
        )
        return EngineConfig(
            shards=boot.shards,
            downloaders=boot.downloaders,
            scrapers=boot.scrapers,
            limits=limits,
            close_if_idle=boot.close_if_idle,
            pace_s=boot.batch_delay_s,
        )

    # Events in.

    def _handle(self, event: ev.Event) -> None:
        for command in self.core.handle(event, now_s=time.monotonic()):
            self._carry_out(command)

    async def report(self, blob: bytes) -> bytes:
        """A report of an actor; answers with the engine's status."""
        report = _decode_report(blob)
        kind, _, index = report.sender.partition(":")
        if self.record.take(report):
            self._tell_slots(report)
            if report.disk_full is not None:
                self._handle(ev.PressureChanged(cause="disk_full", source=report.sender, high=report.disk_full))
            if report.close_reason:
                self._handle(ev.CloseRequested(reason=report.close_reason))
            if kind in ("downloader", "scraper"):
                self._handle(
                    ev.Reported(
                        kind=kind,
                        index=int(index),
                        incarnation=report.incarnation,
                        fetched=tuple(report.fetched),
                        acks=tuple(report.acks),
                        released=tuple(report.released),
                        touched=tuple(report.touched),
                        waiting=report.waiting,
                        sink_lag_nbytes=report.sink_lag_nbytes,
                        alone=report.alone,
                    )
                )
        status = self.status()
        self.record.set_status(status)
        return _encode(status)

    def _tell_slots(self, report: Report) -> None:
        if report.slots:
            for shard in range(self.boot.shards):
                self.tasks.spawn(self._call_quietly(f"scheduler:{shard}", "set_slots", report.slots))

    def status(self) -> EngineStatus:
        """The engine in a nutshell."""
        core = self.core
        reason = core.backout_reason()
        return EngineStatus(
            core.state.value, reason.value if reason else "", core.spider_is_idle(), core.scheduler_empty()
        )

    # Commands out.

    def _carry_out(self, command: ev.Command) -> None:
        match command:
            case ev.CallShard():
                self.tasks.spawn(self._call_shard(command))
            case ev.SendBatch():
                self._send_batch(command)
            case ev.SendPoisoned():
                pages = self._poison.pop(command.shard, [])
                if pages:
                    self.tasks.spawn(self._call_quietly(f"scraper:{command.scraper}", "scrape", _encode(pages)))
            case ev.PullStart():
                self.tasks.spawn(self._pull_start(command))
            case ev.WakeUp():
                self._wakeup.schedule(command.delay_s)
            case ev.AskIdle():
                self.tasks.spawn(self._ask_idle())
            case ev.ReplaceActor():
                self.tasks.spawn(self._replace(command))
            case ev.ReturnUnstarted():
                self.tasks.spawn(self.crew.gather("downloader", "return_unstarted"))
            case ev.SchedulerEmpty():
                self.tasks.spawn(self._scheduler_empty())
            case ev.Finish():
                self.tasks.spawn(self._finish(command.reason))

    async def _call_shard(self, command: ev.CallShard) -> None:
        shard, seq = command.shard, command.request.seq
        try:
            blob = await self.channel.call(f"scheduler:{shard}", "next_requests", _encode(command.request))
        except PeerDied:
            return  # the channel has told us: the shard is replaced, and the call's news are told to the next one
        reply = _decode_lease(blob)
        if self.boot.sinks:
            self._forgettable += [ack.id for ack in command.request.acks]
        for batch in reply.batches:
            self._batches[shard, batch.owner] = batch.blob
        poisoned = self.record.poisoned(reply.poisoned) if reply.poisoned else []
        self._poison.setdefault(shard, []).extend(poisoned)
        self._handle(
            ev.Leased(
                shard=shard,
                seq=seq,
                batches=tuple((batch.owner, tuple(batch.ids)) for batch in reply.batches),
                pending=reply.pending,
                next_ready_in_s=reply.next_ready_in_s,
                poisoned=tuple(page.id for page in poisoned),
                attempts={key: value for batch in reply.batches for key, value in batch.attempts.items()},
            )
        )

    def _send_batch(self, command: ev.SendBatch) -> None:
        blob = self._batches.pop((command.shard, command.downloader))
        downloader = f"downloader:{command.downloader}"
        self.tasks.spawn(self._call_quietly(downloader, "fetch", blob, command.shard, command.seq))

    async def _call_quietly(self, peer: str, method: str, *args: Any) -> None:
        """A call whose loss is repaired when the peer's death is noticed."""
        try:
            await self.channel.call(peer, method, *args)
        except PeerDied:
            logger.debug("%s.%s was lost: %s has died", peer, method, peer)

    async def _pull_start(self, command: ev.PullStart) -> None:
        try:
            exhausted = await self.channel.call(f"scraper:{command.scraper}", "pull_start", command.n)
        except PeerDied:
            return  # the core hears of the death and asks another Scraper
        self._handle(ev.StartPulled(touched=tuple(range(self.boot.shards)), exhausted=exhausted))

    async def _ask_idle(self) -> None:
        verdicts = await self.crew.gather("scraper", "ask_idle")
        own = await self.record.ask_idle()
        keep_open = any(verdict.keep_open for verdict in (*verdicts, own))
        reasons = [verdict.reason for verdict in (*verdicts, own) if verdict.reason]
        self._handle(ev.IdleAnswered(keep_open=keep_open and not reasons, reason=reasons[0] if reasons else ""))

    async def _scheduler_empty(self) -> None:
        await self.record.signal("scheduler_empty")
        await self.crew.gather("scraper", "signal", "scheduler_empty")

    # The end.

    async def _finish(self, reason: str) -> None:
        self.crew.leave()
        self.core_stats()
        await self._remember()
        await self.closing.run(reason)
        self.record.remember_stats()
        self.record.finished.set()

    def health(self) -> Health:
        """The engine's own pulse."""
        return Health(time.monotonic() - self.pulse.at_s)
