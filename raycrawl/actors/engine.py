"""The ExecutionEngine actor: the shell around ``raycrawl.core.engine``, which decides.

It turns calls of other actors into events, carries out commands, wakes up for many reasons but runs once
(``CallLaterOnce``), and has a heartbeat as a safety net. Ledger, needs_backout and idle are the core's.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from typing import Any

import msgspec

from raycrawl.actors.channel import Channel, PeerDied
from raycrawl.actors.closing import Closing
from raycrawl.actors.crew import ActorHost, CannotOpen, Crew, NoAnswer
from raycrawl.actors.downloads import RemoteDownloads
from raycrawl.actors.inquest import is_computing, testimony
from raycrawl.actors.loop import CallLaterOnce, Tasks
from raycrawl.actors.process import Boot, Health, Pulse
from raycrawl.actors.record import Record
from raycrawl.core import events as ev
from raycrawl.core.backpressure import Limits
from raycrawl.core.engine import EngineConfig, EngineCore
from raycrawl.core.facade import EngineStatus
from raycrawl.core.lifecycle import State
from raycrawl.core.messages import LeaseReply, Report, RequestRecord

logger = logging.getLogger(__name__)
_decode_report = msgspec.msgpack.Decoder(Report).decode
_decode_lease = msgspec.msgpack.Decoder(LeaseReply).decode
_encode = msgspec.msgpack.Encoder().encode
FORGET_BATCH = 512
KEEP_STATS_S = 1.0
NET_S = 15.0


class ExecutionEngine:
    """The only one that decides, once per crawl.

    Owns the core, the crew of actors, the record (stats, logs, extensions). Invariant: commands are carried out in the
    order in which the core gives them; answers come back as events, in whatever order.
    """

    def __init__(self, boot: Boot, channel: Channel, host: ActorHost) -> None:
        self.boot, self.channel, self._host = boot, channel, host
        self.tasks = Tasks("engine")
        self.pulse = Pulse()
        self._wakeup = CallLaterOnce(lambda: self._handle(ev.TimePassed()))
        self._batches: dict[tuple[int, int], bytes] = {}
        self._poison: dict[int, bytes] = {}
        self._full_since_s: float | None = None
        self._forgettable: list[bytes] = []
        self.core: EngineCore

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

    async def suspect(self, peer: str, incarnation: int) -> None:
        """An actor found another one dead."""
        self._suspect(peer, incarnation)

    def _suspect(self, peer: str, incarnation: int) -> None:
        if peer != "engine" and self.crew.incarnation(peer) == incarnation:
            self.tasks.spawn(self._examine(peer, incarnation))

    async def _examine(self, peer: str, incarnation: int) -> None:
        try:
            await self._pulse_of(peer, 5.0)
        except PeerDied:
            self._died(peer, incarnation)

    async def _pulse_of(self, name: str, timeout_s: float) -> Health | None:
        """An actor's pulse; None: a callback keeps it from answering, within its time. Raises: PeerDied."""
        try:
            return await self.crew.check(name, timeout_s)
        except NoAnswer:
            found = await testimony(self.crew, name, discard=False)
            if not is_computing(found, self.record.scraper_timeout_s):
                raise
            return None

    def _died(self, peer: str, incarnation: int) -> None:
        if self.core.state is State.CLOSED or not self.crew.take_out(peer, incarnation):
            return
        logger.warning("%s has died: it is replaced, and what it held is leased again", peer)
        self.record.stats.inc_value(f"engine/actors_replaced/{peer.partition(':')[0]}")
        self.tasks.spawn(self.crew.announce_death(peer, incarnation))
        self.tasks.spawn(self._bury(peer, incarnation))

    async def _bury(self, peer: str, incarnation: int) -> None:
        """Finds out what an actor died of, and lets the core decide."""
        kind, _, index = peer.partition(":")
        found = await testimony(self.crew, peer, discard=True)
        if found.is_timeout:
            self.record.timed_out(found.page_id, found.traceback)
        elif found.traceback:
            logger.error("%s crashed; innermost first:\n%s", peer, found.traceback)
        self._handle(
            ev.ActorDied(
                kind=kind,
                index=int(index),
                incarnation=incarnation,
                blamed=found.page_id,
                is_timeout=found.is_timeout,
            )
        )

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
                blob = self._poison.pop(command.shard)
                self.tasks.spawn(self._call_quietly(f"scraper:{command.scraper}", "scrape", blob))
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
        self._poison[shard] = _encode(poisoned)
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

    async def _replace(self, command: ev.ReplaceActor) -> None:
        name = f"{command.kind}:{command.index}"
        args = (self.core.ledger.of_shard(command.index),) if command.kind == "scheduler" else ()
        if not await self.crew.replace(name, command.incarnation, *args):
            return
        await self._greet(command.kind, name)
        incarnation = self.crew.incarnation(name)
        self._handle(ev.ActorReplaced(kind=command.kind, index=command.index, incarnation=incarnation))
        await self.crew.announce(name)

    async def _greet(self, kind: str, name: str) -> None:
        """Tells a newcomer what it must know."""
        if kind in ("downloader", "scraper", "pipeline"):
            await self._call_quietly(name, "forward", self.record.listens_to())
        if kind == "downloader":
            await self._call_quietly(name, "restore", self.record.downloader_states, self.record.slot_notices())
            self.downloads.resend([name])

    # The heartbeat.

    async def _heartbeat(self, interval_s: float) -> None:
        while self.core.state is not State.CLOSED:
            await asyncio.sleep(interval_s)
            try:
                await self._beat(interval_s)
            except Exception:  # the safety net must not be what breaks
                logger.exception("A heartbeat failed; the next one comes in %g s", interval_s)

    async def _beat(self, interval_s: float) -> None:
        self._handle(ev.TimePassed(heartbeat=True))
        await asyncio.wait([self.tasks.spawn(self._check(name, interval_s)) for name in self.crew.everyone()])
        self._tell_forgettable()
        await self._remember()

    async def _remember(self) -> None:
        """Keeps what the next run, or the next engine, must know."""
        states = await self.crew.gather("downloader", "states")
        await self.record.remember(start_exhausted=self._start_is_over(), downloader_states=states)

    async def _keep_stats(self) -> None:
        """The stats are at most a second old if this process is killed."""
        while self.core.state is not State.CLOSED:
            await asyncio.sleep(KEEP_STATS_S)
            if self.core.pressure.disk_full:
                self._watch_full_disk()
                continue
            self._full_since_s = None
            await self.record.remember(start_exhausted=self._start_is_over())

    def _watch_full_disk(self) -> None:
        """Gives up after DISK_FULL_TIMEOUT: what is durable stays, and the crawl can be resumed."""
        now_s = time.monotonic()
        self._full_since_s = self._full_since_s or now_s
        if now_s - self._full_since_s >= self.record.disk_full_timeout_s:
            logger.error("The disk has been full for %.0f s: the crawl is given up", now_s - self._full_since_s)
            self.record.give_up("disk_full")

    def _start_is_over(self) -> bool:
        return self.core.start.exhausted and not self.core.start.pulling

    async def _check(self, name: str, timeout_s: float) -> None:
        """Compares the ledger with what an actor has, and finds out whether it lives."""
        asked_s = time.monotonic() - timeout_s  # what came to it within the last beat may still be on its way
        incarnation = self.crew.incarnation(name)
        kind, _, index = name.partition(":")
        try:
            health = await self._pulse_of(name, timeout_s)
        except PeerDied:
            self._died(name, incarnation)
            return
        if health is None:
            return
        self.record.note_health(name, health)
        is_high = health.memory_percent >= self.record.memory_backout_percent
        if is_high != (health.node in self.core.pressure.memory_high):
            self._handle(ev.PressureChanged(cause="memory", source=health.node, high=is_high))
        # Its own guard has ended a callback by then: this is for what runs outside of pages (signal handlers).
        if health.tick_age_s > self.record.scraper_timeout_s + NET_S and kind == "scraper":
            logger.error("%s has been in %s for %.0f s: it is replaced", name, health.busy_with, health.tick_age_s)
            self._died(name, incarnation)
        elif kind in ("downloader", "scraper"):
            asked_s -= health.tick_age_s  # what came since its loop last ran (a callback computes) waits at its door
            self._handle(
                ev.Checked(kind=kind, index=int(index), incarnation=incarnation, known=health.known, asked_s=asked_s)
            )

    def _tell_forgettable(self) -> None:
        """Feeds need not remember pages whose end is durable in the frontier."""
        if len(self._forgettable) < FORGET_BATCH:
            return
        done, self._forgettable = self._forgettable, []
        for sink in self.crew.names("sink"):
            self.tasks.spawn(self._call_quietly(sink, "forget", done))

    # The end.

    async def _finish(self, reason: str) -> None:
        self.crew.leave()
        self.core_stats()
        await self._remember()
        await self.closing.run(reason)
        self.record.remember_stats()
        self.record.finished.set()

    def core_stats(self) -> None:
        """Puts what only the core knows into the stats."""
        for cause, seconds in self.core.backout_seconds.items():
            if seconds >= 0.001:
                self.record.stats.set_value(f"engine/backout_seconds/{cause.value}", round(seconds, 3))

    # Orders of the driver and of components.

    async def open_spider(self, close_if_idle: bool = True) -> None:
        """Says whether the crawl ends when it is idle; without that it waits for requests until it is closed."""
        self._handle(ev.IdlePolicySet(close_if_idle=close_if_idle))

    async def stop(self) -> None:
        """Ends the crawl gracefully, reason "shutdown"."""
        await self.close("shutdown")

    async def close_spider(self, reason: str = "cancelled") -> None:
        """Ends the crawl gracefully with a reason."""
        await self.close(reason)

    async def needs_backout(self) -> bool:
        """True: nothing is taken from the frontier now."""
        return self.core.needs_backout()

    async def backout_reason(self) -> str | None:
        """The cause of ``needs_backout``, or None."""
        reason = self.core.backout_reason()
        return reason.value if reason else None

    async def has_capacity(self) -> bool:
        """True: there is room for another request."""
        return self.core.has_capacity()

    async def spider_is_idle(self) -> bool:
        """True: nothing is in flight or pending, and ``Spider.start()`` has ended."""
        return self.core.spider_is_idle()

    async def scheduler_empty(self) -> bool:
        """True: nothing is pending in any shard."""
        return self.core.scheduler_empty()

    async def pause(self) -> None:
        """Takes nothing new until ``unpause``."""
        self._handle(ev.PauseRequested())

    async def unpause(self) -> None:
        """Goes on."""
        self._handle(ev.UnpauseRequested())

    async def close(self, reason: str = "shutdown") -> None:
        """Ends the crawl gracefully."""
        self._handle(ev.CloseRequested(reason=reason))

    async def crawl(self, records: bytes) -> None:
        """Puts requests (an encoded list of RequestRecord) into the frontier; durable when it answers."""
        from raycrawl.core.partitions import owner_of

        by_shard: dict[int, list[RequestRecord]] = {}
        for record in msgspec.msgpack.decode(records, type=list[RequestRecord]):
            by_shard.setdefault(owner_of(record.slot, self.boot.shards), []).append(record)
        for shard, batch in by_shard.items():
            duplicates = await self.channel.call_durably(f"scheduler:{shard}", "enqueue", _encode(batch))
            self.record.enqueued(len(batch), len(duplicates))
        self._handle(ev.Enqueued(touched=tuple(by_shard)))

    async def slots(self) -> list[dict[str, Any]]:
        """All slots of all Downloaders."""
        return [slot for slots in await self.crew.gather("downloader", "slots") for slot in slots]

    async def frontier(self, limit: int = 10) -> list[dict[str, Any]]:
        """A look into every shard."""
        return await self.crew.gather("scheduler", "look", limit)

    async def stats(self) -> bytes:
        """The stats of record, pickled."""
        self.core_stats()
        return pickle.dumps(self.record.stats.get_stats())

    async def watch(self, timeout_s: float) -> bytes:
        """What has happened since the last call: log lines, status, the end. Answers within ``timeout_s``."""
        return await self.record.watch(timeout_s, self.core)

    async def look(self) -> bytes:
        """The crawl's numbers now, for whoever asks."""
        return self.record.look(self.core)

    async def state(self) -> str:
        """The state's name."""
        return self.core.state.value

    async def describe(self) -> tuple[str, str, bool]:
        """(name, work directory, whether it keeps the items)."""
        return self.boot.name, self.boot.workdir, self.boot.spool

    async def crawl_request(self, payload: bytes) -> None:
        """Puts a request of the driver's (an encoded request) into the frontier; durable when it answers."""
        from raycrawl.records import decode_request

        await self.crawl(self.record.encode(decode_request(payload)))

    async def dismiss(self) -> None:
        """The driver has all that it wants: the remaining processes may end."""
        self.crew.kill_all()

    def health(self) -> Health:
        """The engine's own pulse."""
        return Health(time.monotonic() - self.pulse.at_s)

    # EngineLink, for extensions in this process.

    def schedule(self, request: Any) -> None:
        """``crawler.engine.crawl(request)``."""
        self.tasks.spawn(self.crawl(self.record.encode(request)))

    def download(self, request: Any) -> Any:
        """``crawler.engine.download(request)``: past the frontier, through the middlewares and the slot."""
        return self.downloads.download(request, self.record.crawler.spider)

    async def answers(self, blob: bytes) -> None:
        """Responses to this process's ``download()`` calls."""
        self.downloads.answered(blob, self.record.crawler.spider)

    def order(self, name: str, *args: Any) -> Any:
        """An order from an extension in this process."""
        return self.tasks.spawn(getattr(self, name)(*args))

    def slot_notice(self, slot: str, *, delay_s: float | None = None, hold_s: float | None = None) -> None:
        """Only a Downloader has slots."""
        raise RuntimeError(f"the engine's process has no slots: {slot}")
