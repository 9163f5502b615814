"""The in-process scheduler, its queues, and dupe filters."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycrawl import pqueues, squeues
from raycrawl.core.scheduler import BaseScheduler, BaseSchedulerMeta, Scheduler
from raycrawl.crawler import Crawler
from raycrawl.dupefilters import BaseDupeFilter, RFPDupeFilter
from raycrawl.http import FormRequest, Request, Response
from raycrawl.pqueues import DownloaderAwarePriorityQueue, DownloaderInterface, ScrapyPriorityQueue
from raycrawl.spiders import Spider
from raycrawl.utils.test import get_crawler


class Shop(Spider):
    name = "shop"

    def found(self, response: Response) -> None: ...

    def failed(self, failure: Any) -> None: ...


class FakeDownloader:
    """Slots by host, with as many active downloads as a test wants."""

    def __init__(self) -> None:
        self.slots: dict[str, SimpleNamespace] = {}

    def get_slot_key(self, request: Request) -> str:
        return str(request.meta.get("download_slot") or request.url.split("/")[2])

    def start(self, slot: str) -> None:
        self.slots.setdefault(slot, SimpleNamespace(active=[])).active.append(1)

    def finish(self, slot: str) -> None:
        self.slots[slot].active.pop()


def make_crawler(**settings: Any) -> Crawler:
    crawler = get_crawler(Shop, settings)
    crawler.engine = SimpleNamespace(downloader=FakeDownloader())
    return crawler


def url(path: Any) -> str:
    return f"http://e.com/{path}"


DISK = [
    "PickleFifoDiskQueue", "PickleLifoDiskQueue", "MarshalFifoDiskQueue", "MarshalLifoDiskQueue",
    "PickleFifoSQLiteQueue", "PickleLifoSQLiteQueue", "MarshalFifoSQLiteQueue", "MarshalLifoSQLiteQueue",
]  # fmt: skip


# -- queues


@pytest.mark.parametrize("name", [*DISK, "FifoMemoryQueue", "LifoMemoryQueue"])
def test_queues_give_requests_in_their_order(name: str, tmp_path: Path) -> None:
    crawler = make_crawler()
    queue = getattr(squeues, name).from_crawler(crawler, str(tmp_path / "deep" / "q"))
    assert (len(queue), queue.pop(), queue.peek()) == (0, None, None)
    for number in range(3):
        queue.push(Request(url(number)))
    order = [0, 1, 2] if "Fifo" in name else [2, 1, 0]
    assert queue.peek().url == url(order[0])
    assert len(queue) == 3
    assert [queue.pop().url for _ in range(3)] == [url(number) for number in order]
    assert queue.pop() is None
    queue.close()


@pytest.mark.parametrize("name", DISK)
def test_disk_queues_survive(name: str, tmp_path: Path) -> None:
    crawler = make_crawler()
    spider = crawler.spider
    assert isinstance(spider, Shop)
    path = tmp_path / "q"
    queue = getattr(squeues, name).from_crawler(crawler, str(path))
    request = FormRequest(
        url(1), formdata={"a": "b"}, callback=spider.found, errback=spider.failed, priority=3, meta={"n": [1, "x"]},
        headers={"X": ["1", "2"]}, cookies={"c": "d"}, dont_filter=True, cb_kwargs={"k": 1},
    )  # fmt: skip
    queue.push(request)
    queue.close()
    queue = getattr(squeues, name).from_crawler(crawler, str(path))
    assert len(queue) == 1
    there = queue.pop()
    assert type(there) is FormRequest
    assert there.to_dict(spider=spider) == request.to_dict(spider=spider)
    queue.close()
    assert not path.exists()


@pytest.mark.parametrize("name", DISK)
def test_disk_queues_refuse_what_they_cannot_store(name: str, tmp_path: Path) -> None:
    queue = getattr(squeues, name).from_crawler(make_crawler(), str(tmp_path / "q"))
    with pytest.raises(ValueError, match="not an instance method"):
        queue.push(Request(url(1), callback=lambda response: None))
    with pytest.raises(ValueError, match=r"pickle|marshal|plain"):
        queue.push(Request(url(1), meta={"x": lambda: 1}))
    assert len(queue) == 0
    queue.close()


def test_a_disk_queue_that_was_not_closed_loses_nothing(tmp_path: Path) -> None:
    crawler = make_crawler()
    first = squeues.PickleLifoDiskQueue.from_crawler(crawler, str(tmp_path / "q"))
    first.push(Request(url(1)))
    first.push(Request(url(2)))
    second = squeues.PickleLifoDiskQueue.from_crawler(crawler, str(tmp_path / "q"))
    assert len(second) == 2
    assert second.pop().url == url(2)  # type: ignore[union-attr]
    first.close()
    second.close()


# -- priority queues


def priority_queue(**options: Any) -> ScrapyPriorityQueue:
    return ScrapyPriorityQueue.from_crawler(make_crawler(), squeues.LifoMemoryQueue, "key", **options)


def test_the_highest_priority_goes_first() -> None:
    queue = priority_queue()
    assert (len(queue), queue.pop(), queue.peek(), queue.curprio) == (0, None, None, None)
    for number, priority in enumerate([0, 5, -3, 5, 0]):
        queue.push(Request(url(number), priority=priority))
    assert queue.curprio == -5
    assert queue.peek().url == url(3)  # type: ignore[union-attr]
    assert [queue.pop().url[-1] for _ in range(5)] == ["3", "1", "4", "0", "2"]  # type: ignore[union-attr]
    assert (queue.pop(), len(queue), queue.close()) == (None, 0, [])
    assert queue.priority(Request(url(1), priority=7)) == -7


def test_start_requests_come_after_others_of_their_priority() -> None:
    queue = priority_queue(start_queue_cls=squeues.FifoMemoryQueue)
    for number, (priority, is_start) in enumerate([(0, 1), (0, 1), (0, 0), (0, 0), (1, 1), (1, 0)]):
        queue.push(Request(url(number), priority=priority, meta={"is_start_request": True} if is_start else {}))
    assert len(queue) == 6
    assert "".join(queue.pop().url[-1] for _ in range(6)) == "543201"  # type: ignore[union-attr]


def test_a_priority_queue_on_disk_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"start_queue_cls": squeues.PickleFifoDiskQueue}
    args = (make_crawler(), squeues.PickleLifoDiskQueue, str(tmp_path / "q"))
    queue = ScrapyPriorityQueue.from_crawler(*args, **options)
    for number, (priority, is_start) in enumerate([(0, 1), (0, 0), (5, 1), (-2, 0)]):
        queue.push(Request(url(number), priority=priority, meta={"is_start_request": bool(is_start)}))
    state = queue.close()
    assert sorted(state) == [-5, 0, 2]
    queue = ScrapyPriorityQueue.from_crawler(*args, startprios=state, **options)
    assert "".join(queue.pop().url[-1] for _ in range(len(queue))) == "2103"  # type: ignore[union-attr]
    assert queue.close() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_refused_request_leaves_no_trace(tmp_path: Path) -> None:
    args = (make_crawler(), squeues.PickleLifoDiskQueue, str(tmp_path / "q"))
    for queue in (ScrapyPriorityQueue.from_crawler(*args), DownloaderAwarePriorityQueue.from_crawler(*args)):
        with pytest.raises(ValueError, match="instance method"):
            queue.push(Request(url(1), callback=lambda response: None))
        assert (len(queue), queue.pop(), list(queue.close())) == (0, None, [])


# -- the downloader-aware queue


def aware(state: Any = None) -> tuple[FakeDownloader, DownloaderAwarePriorityQueue]:
    crawler = make_crawler()
    return crawler.engine.downloader, DownloaderAwarePriorityQueue.from_crawler(
        crawler, squeues.FifoMemoryQueue, "k", state
    )


def push_hosts(queue: DownloaderAwarePriorityQueue, hosts: str) -> None:
    for number, host in enumerate(hosts):
        queue.push(Request(f"http://{host}/{number}"))


def test_the_slot_with_the_fewest_active_downloads_goes_first() -> None:
    downloader, queue = aware()
    push_hosts(queue, "aaabbca")
    assert len(queue) == 7
    assert queue.peek().url == "http://a/0"  # type: ignore[union-attr]
    popped = []
    while (request := queue.pop()) is not None:
        downloader.start(downloader.get_slot_key(request))
        popped.append(request.url[7] + request.url[-1])
    assert popped == ["a0", "b3", "c5", "a1", "b4", "a2", "a6"]
    assert (len(queue), queue.peek(), queue.close()) == (0, None, {})


def test_downloads_that_finish_are_seen() -> None:
    downloader, queue = aware()
    push_hosts(queue, "aabb")
    for _ in range(3):
        downloader.start("a")
    assert queue.peek().url == "http://b/2"  # type: ignore[union-attr]
    for _ in range(3):
        downloader.finish("a")
    downloader.start("b")
    assert queue.pop().url == "http://a/0"  # type: ignore[union-attr]
    downloader.start("b")
    assert queue.pop().url == "http://a/1"  # type: ignore[union-attr]


def test_without_active_downloads_slots_take_turns() -> None:
    _, queue = aware()
    push_hosts(queue, "aaabbc")
    assert "".join(queue.pop().url[7] for _ in range(6)) == "abcaba"  # type: ignore[union-attr]


def test_a_pop_asks_few_slots_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = aware()
    for number in range(2000):
        queue.push(Request(f"http://h{number}.com/"))
    asked: list[str] = []
    monkeypatch.setattr(DownloaderInterface, "active_downloads", lambda self, slot: asked.append(slot) or 0)
    popped = {queue.pop().url for _ in range(2000)}  # type: ignore[union-attr]
    assert len(popped) == 2000
    assert len(asked) < 2000 * (pqueues._SLOTS_ASKED + 4)


def test_the_state_of_a_downloader_aware_queue(tmp_path: Path) -> None:
    crawler = make_crawler()
    args = (crawler, squeues.PickleFifoDiskQueue, str(tmp_path / "q"))
    queue = DownloaderAwarePriorityQueue.from_crawler(*args)
    queue.push(Request("http://a/1", priority=1))
    queue.push(Request("http://a:80/x/../2"))
    queue.push(Request("http://b/3", meta={"download_slot": "../evil/slot"}))
    assert "a" in queue
    state = queue.close()
    assert state == {"a": [-1, 0], "../evil/slot": [0]}
    assert not (tmp_path.parent / "evil").exists()
    queue = DownloaderAwarePriorityQueue.from_crawler(*args, startprios=state)
    assert len(queue) == 3
    assert {queue.pop().url for _ in range(3)} == {"http://a/1", "http://a/2", "http://b/3"}  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="dict"):
        DownloaderAwarePriorityQueue.from_crawler(*args, startprios=[1])  # type: ignore[arg-type]


def test_the_downloader_interface() -> None:
    crawler = make_crawler()
    crawler.engine.downloader.start("x")
    interface = DownloaderInterface(crawler)
    assert interface.stats(["x", "y"]) == [(1, "x"), (0, "y")]
    assert interface.get_slot_key(Request("http://z.com/q")) == "z.com"
    bare = DownloaderInterface(get_crawler(Shop))
    assert bare.get_slot_key(Request("http://Z.com:81/q")) == "z.com"
    assert bare.get_slot_key(Request("http://z.com", meta={"download_slot": "s"})) == "s"
    assert bare.stats(["z.com"]) == [(0, "z.com")]


# -- dupe filters


def test_the_base_filters_nothing() -> None:
    base = BaseDupeFilter.from_crawler(make_crawler())
    assert (base.open(), base.request_seen(Request(url(1))), base.request_seen(Request(url(1)))) == (None, False, False)
    assert base.close("finished") is None


def test_fingerprints_are_kept_in_the_jobdir(tmp_path: Path) -> None:
    crawler = make_crawler(JOBDIR=str(tmp_path))
    df = RFPDupeFilter.from_crawler(crawler)
    assert not df.request_seen(Request(url("?b=1&a=2")))
    assert df.request_seen(Request(url("?a=2&b=1")))
    assert not df.request_seen(Request(url("?a=2&b=1"), method="POST"))
    df.close("finished")
    lines = (tmp_path / "requests.seen").read_text().splitlines()
    assert len(lines) == 2
    assert df.request_fingerprint(Request(url("?a=2&b=1"))) == lines[0]
    assert df.fingerprints == set(lines)
    again = RFPDupeFilter.from_crawler(crawler)
    assert again.request_seen(Request(url("?a=2&b=1")))
    again.close("finished")


def test_a_fingerprinter_of_ones_own() -> None:
    class ByPath:
        def fingerprint(self, request: Request) -> bytes:
            return request.url.partition("?")[0].encode()

    df = RFPDupeFilter(fingerprinter=ByPath())
    assert not df.request_seen(Request(url("x?1")))
    assert df.request_seen(Request(url("x?2")))
    assert df.file is None
    assert RFPDupeFilter().fingerprinter.fingerprint(Request(url(1)))


def test_a_filter_that_overrides_the_fingerprint() -> None:
    class Old(RFPDupeFilter):
        def request_fingerprint(self, request: Request) -> str:
            return request.url.partition("?")[0]

    old = Old()
    assert not old.request_seen(Request(url("x?1")))
    assert old.request_seen(Request(url("x?2")))


@pytest.mark.parametrize("debug", [False, True])
def test_filtered_requests_are_logged(debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    crawler = make_crawler(DUPEFILTER_DEBUG=debug)
    assert crawler.spider is not None
    df = RFPDupeFilter.from_crawler(crawler)
    assert df.debug is debug
    with caplog.at_level(logging.DEBUG, logger="raycrawl.dupefilters"):
        for _ in range(2):
            df.log(Request(url(1), headers={"Referer": "http://r.com"}), crawler.spider)
    assert len(caplog.records) == (2 if debug else 1)
    assert "Filtered duplicate request: <GET http://e.com/1>" in caplog.text
    assert ("referer: http://r.com" in caplog.text) is debug
    assert ("no more duplicates" in caplog.text) is not debug
    assert crawler.stats.get_value("dupefilter/filtered") == 2


# -- the scheduler


def open_scheduler(**settings: Any) -> tuple[Crawler, Scheduler]:
    crawler = make_crawler(**settings)
    assert crawler.spider is not None
    scheduler = Scheduler.from_crawler(crawler)
    scheduler.open(crawler.spider)
    return crawler, scheduler


def counts(crawler: Crawler) -> dict[str, int]:
    stats: dict[str, Any] = crawler.stats.get_stats()
    return {name: value for name, value in stats.items() if name.startswith(("scheduler/", "dupefilter/"))}


def test_in_memory() -> None:
    crawler, scheduler = open_scheduler()
    assert (scheduler.has_pending_requests(), scheduler.next_request(), len(scheduler)) == (False, None, 0)
    assert scheduler.enqueue_request(Request(url(1)))
    assert not scheduler.enqueue_request(Request(url(1)))
    assert scheduler.enqueue_request(Request(url(1), dont_filter=True))
    assert scheduler.enqueue_request(Request(url(2), priority=5))
    assert (len(scheduler), scheduler.has_pending_requests(), scheduler.dqdir) == (3, True, None)
    assert [scheduler.next_request().url for _ in range(2)] == [url(2), url(1)]  # type: ignore[union-attr]
    scheduler.close("finished")
    assert counts(crawler) == {
        "scheduler/enqueued": 3,
        "scheduler/enqueued/memory": 3,
        "scheduler/dequeued": 2,
        "scheduler/dequeued/memory": 2,
        "dupefilter/filtered": 1,
    }


def test_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"JOBDIR": str(tmp_path / "job"), "SCHEDULER_DEBUG": True}
    crawler, scheduler = open_scheduler(**settings)
    assert isinstance(crawler.spider, Shop)
    with caplog.at_level(logging.INFO):
        scheduler.enqueue_request(Request(url(1), callback=crawler.spider.found))
        for number in (2, 3):
            scheduler.enqueue_request(Request(url(number), callback=lambda response: None))
    assert "Unable to serialize request: <GET http://e.com/2>" in caplog.text
    assert "http://e.com/3" not in caplog.text
    scheduler.close("shutdown")
    assert counts(crawler) == {
        "scheduler/enqueued": 3,
        "scheduler/enqueued/disk": 1,
        "scheduler/enqueued/memory": 2,
        "scheduler/unserializable": 2,
    }
    crawler, scheduler = open_scheduler(**settings)
    assert len(scheduler) == 1
    request = scheduler.next_request()
    assert request is not None
    assert (request.url, request.callback) == (url(1), crawler.spider.found)  # type: ignore[union-attr]
    assert not scheduler.enqueue_request(Request(url(1)))
    assert counts(crawler)["scheduler/dequeued/disk"] == 1
    scheduler.close("finished")


def test_start_requests_are_first_in_first_out() -> None:
    _, scheduler = open_scheduler()
    for number in range(3):
        scheduler.enqueue_request(Request(url(number), meta={"is_start_request": True}))
    scheduler.enqueue_request(Request(url("child")))
    order = [scheduler.next_request().url.rpartition("/")[2] for _ in range(4)]  # type: ignore[union-attr]
    assert order == ["child", "0", "1", "2"]


def test_queues_of_ones_own() -> None:
    class Plain(ScrapyPriorityQueue):
        @classmethod
        def from_crawler(cls, crawler: Any, downstream_queue_cls: Any, key: str, startprios: Any = ()) -> Any:  # type: ignore[override]
            return cls(crawler, downstream_queue_cls, key, startprios)

    _, scheduler = open_scheduler(SCHEDULER_PRIORITY_QUEUE=Plain, SCHEDULER_MEMORY_QUEUE=squeues.FifoMemoryQueue)
    for number in range(3):
        scheduler.enqueue_request(Request(url(number)))
    assert [scheduler.next_request().url for _ in range(3)] == [url(0), url(1), url(2)]  # type: ignore[union-attr]


def test_a_subclass_of_the_scheduler() -> None:
    class Counting(Scheduler):
        taken = 0

        def enqueue_request(self, request: Request) -> bool:
            self.taken += 1
            return super().enqueue_request(request)

    crawler = make_crawler()
    assert crawler.spider is not None
    scheduler = Counting.from_crawler(crawler)
    scheduler.open(crawler.spider)
    scheduler.enqueue_request(Request(url(1)))
    assert (scheduler.taken, len(scheduler)) == (1, 1)


def test_the_contract_of_a_scheduler() -> None:
    class Ducky:
        def has_pending_requests(self) -> bool:
            return False

        def enqueue_request(self, request: Request) -> bool:
            return True

        def next_request(self) -> None:
            return None

    assert issubclass(Scheduler, BaseScheduler)
    assert issubclass(Ducky, BaseScheduler)
    assert isinstance(Ducky(), BaseScheduler)
    assert not issubclass(dict, BaseScheduler)
    assert type(BaseScheduler) is BaseSchedulerMeta
    base = BaseScheduler.from_crawler(make_crawler())
    assert (base.open(None), base.close("finished")) == (None, None)  # type: ignore[arg-type]
    for call in (base.has_pending_requests, base.next_request, lambda: base.enqueue_request(Request(url(1)))):
        with pytest.raises(NotImplementedError):
            call()
