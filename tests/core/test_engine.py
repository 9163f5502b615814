"""The engine's decisions: events in, exact commands out; and crawls in thousands of orders."""

from __future__ import annotations

from typing import Any

import pytest

from raycrawl.core import events as ev
from raycrawl.core.backpressure import BackoutReason
from raycrawl.core.engine import START_ID, EngineCore
from raycrawl.core.lifecycle import InvalidTransition, State
from raycrawl.core.messages import Ack, LeaseRequest, Outcome, PageFetched
from tests.core.engine_model import LIMITS, Crawl, core_of, page

FAR_S = 100.0


def leased(seq: int, *batches: tuple[int, tuple[bytes, ...]], shard: int = 0, pending: int = 0) -> ev.Leased:
    return ev.Leased(shard=shard, seq=seq, batches=batches, pending=pending, next_ready_in_s=0.0 if pending else None)


def reported(kind: str, incarnation: int = 0, index: int = 0, **facts: object) -> ev.Reported:
    return ev.Reported(kind=kind, index=index, incarnation=incarnation, **facts)  # type: ignore[arg-type]


def running(**options: object) -> EngineCore:
    """A core whose start() has ended, whose shards have nothing."""
    core = core_of(**options)  # type: ignore[arg-type]
    core.start.exhausted = True
    core.handle(ev.Opened(), now_s=0.0)
    return core


def with_pages(*ids: bytes, **options: object) -> EngineCore:
    """... and that has leased these pages to Downloader 0."""
    core = running(**options)
    core.handle(leased(1, (0, ids)), now_s=0.0)
    return core


def test_a_crawl_of_one_page_step_by_step() -> None:
    core = core_of()
    assert core.backout_reason() is BackoutReason.NOT_RUNNING
    assert core.handle(ev.Opened(), now_s=0.0) == [
        ev.PullStart(scraper=0, n=256),
        ev.CallShard(shard=0, request=LeaseRequest(seq=1, n=8)),
    ]
    assert core.handle(leased(1), now_s=0.0) == [ev.SchedulerEmpty()]
    assert core.handle(ev.StartPulled(touched=(0,), exhausted=True), now_s=0.1) == [
        ev.CallShard(shard=0, request=LeaseRequest(seq=2, n=8))
    ]
    assert core.handle(leased(2, (0, (page(1),))), now_s=0.1) == [
        ev.SendBatch(shard=0, seq=2, downloader=0), ev.SchedulerEmpty()
    ]  # fmt: skip
    sent = PageFetched(page(1), 1, 0, 50)
    assert core.handle(reported("downloader", fetched=(sent,)), now_s=0.2) == [
        ev.CallShard(shard=0, request=LeaseRequest(seq=3, n=8, fetched=[page(1)]))
    ]
    assert core.ledger.unscraped_nbytes == 50
    core.handle(leased(3), now_s=0.2)
    assert core.handle(reported("scraper", index=1, acks=(Ack(page(1)),)), now_s=0.3) == [
        ev.CallShard(shard=0, request=LeaseRequest(seq=4, n=8, acks=[Ack(page(1))]))
    ]
    assert not core.spider_is_idle()
    assert core.handle(leased(4), now_s=0.3) == [ev.AskIdle()]
    assert core.spider_is_idle()
    assert core.handle(ev.IdleAnswered(keep_open=False, reason=""), now_s=0.4) == [
        ev.CallShard(shard=0, request=LeaseRequest(seq=5, n=8))
    ]
    assert core.handle(leased(5), now_s=0.4)[-2:] == [ev.ReturnUnstarted(), ev.Finish(reason="finished")]
    assert core.state is State.CLOSED
    assert core.handle(ev.TimePassed(heartbeat=True), now_s=9.0) == []


def test_what_an_idle_handler_enqueued_is_crawled_before_the_end() -> None:
    core = running()
    assert ev.AskIdle() in core.handle(leased(1), now_s=0.0)
    core.handle(ev.IdleAnswered(keep_open=False, reason=""), now_s=1.0)
    commands = core.handle(leased(2, (0, (page(1),))), now_s=1.0)
    assert ev.SendBatch(shard=0, seq=2, downloader=0) in commands
    core.handle(reported("downloader", acks=(Ack(page(1)),)), now_s=1.1)
    assert core.handle(leased(3), now_s=1.1)[-1] == ev.AskIdle()  # asked anew


def test_keep_open_asks_again_later() -> None:
    core = running()
    core.handle(leased(1), now_s=0.0)
    core.handle(ev.IdleAnswered(keep_open=True, reason=""), now_s=1.0)
    assert core.handle(leased(2), now_s=1.0)[-1] == ev.WakeUp(delay_s=5.0)
    # Whatever wakes it before, it asks to be woken in time.
    assert core.handle(ev.TimePassed(), now_s=5.75) == [ev.WakeUp(delay_s=0.25)]
    assert ev.AskIdle() in core.handle(ev.TimePassed(), now_s=6.0)


def test_handlers_that_keep_open_and_feed_are_asked_again_when_that_is_done() -> None:
    core = running()
    core.handle(leased(1), now_s=0.0)
    core.handle(ev.IdleAnswered(keep_open=True, reason=""), now_s=1.0)
    core.handle(leased(2, (0, (page(1),))), now_s=1.0)
    core.handle(reported("downloader", acks=(Ack(page(1)),)), now_s=1.1)
    assert core.handle(leased(3), now_s=1.1)[-1] == ev.AskIdle()


def test_reason_of_an_idle_handler_is_the_crawls() -> None:
    core = running()
    core.handle(leased(1), now_s=0.0)
    core.handle(ev.IdleAnswered(keep_open=False, reason="enough"), now_s=1.0)
    assert core.handle(leased(2), now_s=1.0)[-1] == ev.Finish(reason="enough")


def test_not_closed_when_idle_if_told_so() -> None:
    core = running(close_if_idle=False)
    assert core.handle(leased(1), now_s=0.0) == [ev.SchedulerEmpty()]
    assert core.spider_is_idle()


def test_start_is_pulled_one_chunk_at_a_time_and_not_while_backed_out() -> None:
    core = core_of(scrapers=1)
    core.handle(ev.Opened(), now_s=0.0)
    assert core.handle(ev.TimePassed(), now_s=0.0) == []  # a pull and a call are under way
    core.handle(leased(1, (0, tuple(map(page, range(8))))), now_s=0.0)
    assert core.needs_backout()
    commands = core.handle(ev.StartPulled(touched=(), exhausted=False), now_s=0.0)
    assert ev.PullStart(scraper=0, n=256) not in commands
    commands = core.handle(reported("downloader", acks=(Ack(page(1)),)), now_s=FAR_S)
    assert commands[0] == ev.PullStart(scraper=0, n=256)


def test_start_goes_on_in_another_scraper() -> None:
    core = core_of(scrapers=2)
    core.handle(ev.Opened(), now_s=0.0)
    commands = core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0), now_s=0.1)
    assert commands[:2] == [ev.ReplaceActor(kind="scraper", index=0, incarnation=1), ev.PullStart(scraper=1, n=256)]


def test_never_more_than_there_is_room_for() -> None:
    core = running(shards=2)
    # Both were called at the start, for all the room there is.
    assert core.handle(ev.Enqueued(touched=(0, 1)), now_s=0.0) == []
    assert [shard.asked for shard in core.shards] == [4, 4]
    core.handle(leased(1, (0, tuple(map(page, range(4))))), now_s=0.0)
    assert sum(shard.asked for shard in core.shards) + core.ledger.transferring <= LIMITS.window


def test_waiting_slots_leave_room() -> None:
    core = with_pages(*map(page, range(8)))
    assert core.backout_reason() is BackoutReason.DOWNLOADS_IN_FLIGHT
    commands = core.handle(reported("downloader", waiting=6, touched=(0,)), now_s=FAR_S)
    assert [command.request.n for command in commands if isinstance(command, ev.CallShard)] == [4]


def test_calls_gather_under_load_and_the_pace_is_kept() -> None:
    core = with_pages(*map(page, range(4)))
    assert core.handle(reported("downloader", acks=(Ack(page(0)),)), now_s=0.001) == [
        ev.WakeUp(delay_s=pytest.approx(0.019))
    ]
    (call,) = core.handle(ev.TimePassed(), now_s=0.02)
    assert isinstance(call, ev.CallShard)
    assert call.request.acks == [Ack(page(0))]


def test_a_dead_downloader_gives_back_what_it_had_and_late_reports_of_it_are_refused() -> None:
    core = with_pages(page(1), page(2))
    commands = core.handle(ev.ActorDied(kind="downloader", index=0, incarnation=0), now_s=FAR_S)
    assert commands == [
        ev.ReplaceActor(kind="downloader", index=0, incarnation=1),
        ev.CallShard(shard=0, request=LeaseRequest(seq=2, n=0, lost=[page(1), page(2)])),
    ]
    assert core.handle(ev.ActorDied(kind="downloader", index=0, incarnation=0), now_s=FAR_S) == []
    core.handle(reported("downloader", fetched=(PageFetched(page(1), 0, 0, 5),)), now_s=FAR_S)
    assert len(core.ledger) == 0
    core.handle(leased(2, pending=2), now_s=FAR_S)
    commands = core.handle(ev.ActorReplaced(kind="downloader", index=0, incarnation=1), now_s=2 * FAR_S)
    assert [command.request.n for command in commands if isinstance(command, ev.CallShard)] == [8]


def test_the_last_words_of_a_dead_scraper_count() -> None:
    core = with_pages(page(1))
    core.handle(reported("downloader", fetched=(PageFetched(page(1), 0, 0, 5),)), now_s=FAR_S)
    core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0), now_s=FAR_S)
    core.handle(reported("scraper", acks=(Ack(page(1)),)), now_s=FAR_S)
    news = core.shards[0]._lost, core.shards[0]._acks
    assert news == ([page(1)], [Ack(page(1))])


def test_a_page_sent_to_a_scraper_that_is_gone_goes_back() -> None:
    core = with_pages(page(1))
    core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0), now_s=FAR_S)
    core.handle(reported("downloader", fetched=(PageFetched(page(1), 0, 0, 5),)), now_s=FAR_S)
    assert len(core.ledger) == 0
    assert core.shards[0]._released == [page(1)] or page(1) in core.shards[0]._call.released  # type: ignore[union-attr]


def test_blame_falls_on_the_page_that_was_worked_on_alone() -> None:
    core = running()
    core.handle(
        ev.Leased(
            shard=0, seq=1, batches=((0, (page(1), page(2))),), pending=0, next_ready_in_s=None,
            attempts={page(1): 2, page(2): 2},
        ),
        now_s=0.0,
    )  # fmt: skip
    core.handle(reported("downloader", alone=page(2)), now_s=FAR_S)
    for life in range(3):  # once or twice may be chance: someone killed the process
        commands = core.handle(ev.ActorDied(kind="downloader", index=0, incarnation=life), now_s=(2 + life) * FAR_S)
        (call,) = [command for command in commands if isinstance(command, ev.CallShard)]
        if life < 2:
            assert (call.request.lost, call.request.released) == ([], [page(1), page(2)])
        else:
            assert (call.request.lost, call.request.released) == ([page(2)], [page(1)])
        seq = call.request.seq
        core.handle(leased(seq, pending=2), now_s=(2 + life) * FAR_S)
        replaced = ev.ActorReplaced(kind="downloader", index=0, incarnation=life + 1)
        (call,) = core.handle(replaced, now_s=(2.5 + life) * FAR_S)
        assert isinstance(call, ev.CallShard)
        again = ev.Leased(
            shard=0, seq=call.request.seq, batches=((0, (page(1), page(2))),), pending=0, next_ready_in_s=None,
            attempts={page(1): 2, page(2): 2},
        )  # fmt: skip
        core.handle(again, now_s=(2.5 + life) * FAR_S)
        core.handle(reported("downloader", incarnation=life + 1, alone=page(2)), now_s=(2.5 + life) * FAR_S)


def test_poisoned_pages_go_to_a_scraper_as_failures() -> None:
    core = running()
    commands = core.handle(
        ev.Leased(shard=0, seq=1, batches=(), pending=0, next_ready_in_s=None, poisoned=(page(9),)), now_s=0.0
    )
    assert commands[0] == ev.SendPoisoned(shard=0, scraper=0)
    assert ev.AskIdle() not in commands
    assert page(9) in core.ledger


def test_heartbeat_repairs_what_nobody_knows() -> None:
    core = with_pages(page(1), page(2))
    checked = ev.Checked(kind="downloader", index=0, incarnation=0, known=frozenset({page(2)}), asked_s=1.0)
    commands = core.handle(checked, now_s=FAR_S)
    assert commands == [ev.CallShard(shard=0, request=LeaseRequest(seq=2, n=7, released=[page(1)]))]
    assert page(2) in core.ledger
    core.handle(leased(2), now_s=FAR_S)
    (call,) = core.handle(ev.TimePassed(heartbeat=True), now_s=2 * FAR_S)
    assert isinstance(call, ev.CallShard)
    assert call.request.live == [page(2)]


def test_check_of_a_stale_incarnation_or_of_new_pages_changes_nothing() -> None:
    core = with_pages(page(1))
    core.handle(ev.Checked(kind="downloader", index=0, incarnation=7, known=frozenset(), asked_s=9.0), now_s=9.0)
    core.handle(ev.Checked(kind="downloader", index=0, incarnation=0, known=frozenset(), asked_s=0.0), now_s=9.0)
    assert page(1) in core.ledger


def test_a_shard_that_died_is_told_again() -> None:
    core = with_pages(page(1))
    core.handle(reported("downloader", acks=(Ack(page(1)),)), now_s=FAR_S)
    assert core.handle(ev.ActorDied(kind="scheduler", index=0, incarnation=0), now_s=FAR_S) == [
        ev.ReplaceActor(kind="scheduler", index=0, incarnation=1)
    ]
    assert core.handle(ev.ActorDied(kind="scheduler", index=0, incarnation=0), now_s=FAR_S) == []
    (call,) = core.handle(ev.ActorReplaced(kind="scheduler", index=0, incarnation=1), now_s=2 * FAR_S)
    assert isinstance(call, ev.CallShard)
    assert call.request.acks == [Ack(page(1))]


def test_a_dead_sink_is_replaced_once() -> None:
    core = running()
    died = ev.ActorDied(kind="sink", index=0, incarnation=0)
    assert ev.ReplaceActor(kind="sink", index=0, incarnation=1) in core.handle(died, now_s=0.0)
    assert core.handle(died, now_s=0.0) == []
    core.handle(ev.ActorReplaced(kind="sink", index=0, incarnation=1), now_s=0.0)
    again = ev.ActorDied(kind="sink", index=0, incarnation=1)
    assert ev.ReplaceActor(kind="sink", index=0, incarnation=2) in core.handle(again, now_s=0.0)


def test_pause_takes_nothing_new_and_unpause_goes_on() -> None:
    core = with_pages(page(1))
    core.handle(ev.PauseRequested(), now_s=1.0)
    assert core.backout_reason() is BackoutReason.PAUSED
    (call,) = core.handle(reported("downloader", acks=(Ack(page(1)),), touched=(0,)), now_s=FAR_S)
    assert isinstance(call, ev.CallShard)
    assert call.request.n == 0
    assert ev.AskIdle() not in core.handle(leased(2, pending=5), now_s=FAR_S)
    (call,) = core.handle(ev.UnpauseRequested(), now_s=2 * FAR_S)
    assert isinstance(call, ev.CallShard)
    assert call.request.n == 8


def test_close_returns_what_has_not_started_finishes_the_rest_and_keeps_the_first_reason() -> None:
    core = with_pages(page(1), page(2))
    assert core.handle(ev.CloseRequested(reason="enough"), now_s=1.0) == [ev.ReturnUnstarted()]
    assert core.handle(ev.CloseRequested(reason="other"), now_s=1.0) == []
    core.handle(reported("downloader", released=(page(1),)), now_s=1.0)
    assert core.state is State.CLOSING
    core.handle(leased(2, pending=1), now_s=1.0)
    core.handle(reported("downloader", acks=(Ack(page(2)),)), now_s=1.0)
    assert core.handle(leased(3, pending=1), now_s=1.0) == [ev.Finish(reason="enough")]


def test_a_batch_that_comes_after_the_close_goes_back() -> None:
    core = running()
    core.handle(ev.CloseRequested(reason="enough"), now_s=0.0)
    (call,) = core.handle(leased(1, (0, (page(1),))), now_s=0.0)
    assert isinstance(call, ev.CallShard)
    assert call.request.released == [page(1)]
    assert core.handle(leased(2, pending=1), now_s=0.0) == [ev.Finish(reason="enough")]


def test_close_before_the_start() -> None:
    core = core_of()
    assert core.handle(ev.CloseRequested(reason="never mind"), now_s=0.0) == [
        ev.ReturnUnstarted(), ev.Finish(reason="never mind")
    ]  # fmt: skip
    assert core.handle(ev.Opened(), now_s=0.0) == []


def test_pause_of_a_crawl_that_has_not_started_is_refused() -> None:
    with pytest.raises(InvalidTransition, match="a crawl that is new cannot pause"):
        core_of().handle(ev.PauseRequested(), now_s=0.0)


def test_pressure_and_the_seconds_that_it_cost() -> None:
    core = with_pages(page(1))
    core.handle(ev.PressureChanged(cause="memory", source="node", high=True), now_s=10.0)
    assert core.backout_reason() is BackoutReason.MEMORY
    core.handle(ev.PressureChanged(cause="disk_full", source="scheduler:0", high=True), now_s=12.0)
    core.handle(ev.PressureChanged(cause="disk_full", source="scheduler:0", high=False), now_s=15.0)
    core.handle(ev.PressureChanged(cause="memory", source="node", high=False), now_s=16.0)
    assert core.backout_reason() is None
    assert core.backout_seconds[BackoutReason.MEMORY] == pytest.approx(3.0)
    assert core.backout_seconds[BackoutReason.DISK_FULL] == pytest.approx(3.0)


def test_sink_lag_of_a_dead_scraper_is_forgotten() -> None:
    core = with_pages(page(1))
    core.handle(reported("scraper", sink_lag_nbytes=10**9), now_s=1.0)
    assert core.backout_reason() is BackoutReason.SINK_LAG
    core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0), now_s=2.0)
    assert core.backout_reason() is None


def all_done(crawl: Crawl) -> None:
    assert crawl.finish == ev.Finish(reason="finished")
    assert crawl.idle_asked >= 1
    given = {page(number) for number in range(crawl.told)}
    assert set().union(*(shard.done for shard in crawl.shards)) == given
    assert not any(shard.pending or shard.leased for shard in crawl.shards)
    assert len(crawl.core.ledger) == 0


@pytest.mark.parametrize("seed", range(30))
def test_walk_without_faults_does_each_page_once(seed: int) -> None:
    crawl = Crawl(seed).run()
    all_done(crawl)
    assert set(crawl.scraped.values()) <= {1}


@pytest.mark.parametrize("seed", range(30))
def test_walk_with_repeats_and_pauses(seed: int) -> None:
    all_done(Crawl(seed, repeats=0.2, pauses=True).run())


@pytest.mark.parametrize("seed", range(60))
def test_walk_with_deaths(seed: int) -> None:
    all_done(Crawl(seed, repeats=0.1, deaths=1 + seed % 8).run())


@pytest.mark.parametrize("seed", range(30))
def test_walk_that_is_closed_midway_keeps_what_is_left(seed: int) -> None:
    crawl = Crawl(seed, repeats=0.1, deaths=seed % 3)
    crawl.tell(ev.Opened())
    for _ in range(crawl.rng.randrange(60)):
        if crawl.finish is None:
            crawl.step()
    if crawl.finish is None:
        crawl.tell(ev.CloseRequested(reason="enough"))
    while crawl.finish is None:
        crawl.step()
    assert crawl.finish.reason in ("enough", "finished")
    given = {page(number) for number in range(crawl.told)}
    done = set().union(*(shard.done for shard in crawl.shards))
    left = [page_id for shard in crawl.shards for page_id in shard.pending]
    assert sorted([*done, *left]) == sorted(given)
    assert not any(shard.leased for shard in crawl.shards)


def test_poisoned_pages_wait_for_a_scraper_when_none_is_alive() -> None:
    core = running()
    died = [ev.ActorDied(kind="scraper", index=index, incarnation=0) for index in range(core.config.scrapers)]
    for death in died:
        core.handle(death, now_s=0.0)
    answer = ev.Leased(shard=0, seq=1, batches=(), pending=0, next_ready_in_s=None, poisoned=(page(9),))
    assert not [command for command in core.handle(answer, now_s=0.0) if isinstance(command, ev.SendPoisoned)]
    assert page(9) in core.ledger
    commands = core.handle(ev.ActorReplaced(kind="scraper", index=0, incarnation=1), now_s=1.0)
    assert ev.SendPoisoned(shard=0, scraper=0) in commands
    core.validate()


def at_scraper(core: EngineCore, *ids: bytes) -> None:
    fetched = tuple(PageFetched(id=page_id, scraper=0, incarnation=0, nbytes=10) for page_id in ids)
    core.handle(reported("downloader", fetched=fetched), now_s=FAR_S)


def lost_by(core: EngineCore, **blame: Any) -> LeaseRequest:
    """What the shard is told after the death of Scraper 0."""
    core.handle(leased(2), now_s=FAR_S)
    commands = core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0, **blame), now_s=FAR_S)
    (call,) = [command for command in commands if isinstance(command, ev.CallShard)]
    return call.request


def test_only_the_page_that_had_the_cpu_is_to_blame() -> None:
    core = with_pages(page(1), page(2))
    at_scraper(core, page(1), page(2))
    request = lost_by(core, blamed=page(2))
    assert (request.lost, request.released, request.condemned) == ([page(2)], [page(1)], [])


def test_page_that_took_too_long_is_condemned_at_once() -> None:
    core = with_pages(page(1), page(2))
    at_scraper(core, page(1), page(2))
    request = lost_by(core, blamed=page(2), is_timeout=True)
    assert (request.lost, request.released, request.condemned) == ([], [page(1)], [page(2)])


def test_page_whose_errback_did_it_again_ends_as_failed() -> None:
    core = running()
    core.handle(ev.Leased(shard=0, seq=1, batches=(), pending=0, next_ready_in_s=None, poisoned=(page(9),)), now_s=0.0)
    commands = core.handle(
        ev.ActorDied(kind="scraper", index=0, incarnation=0, blamed=page(9), is_timeout=True), now_s=FAR_S
    )
    calls = [command.request for command in commands if isinstance(command, ev.CallShard)]
    assert [request.acks for request in calls] == [[Ack(page(9), Outcome.FAILED)]]


def test_start_that_never_comes_back_has_ended() -> None:
    core = running()
    core.start.exhausted = False
    core.handle(ev.ActorDied(kind="scraper", index=0, incarnation=0, blamed=START_ID, is_timeout=True), now_s=0.0)
    assert core.start.exhausted
