"""One contract, kept by every store; and what only a store on a disk must survive."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raycrawl.core.frontier import Frontier, FrontierCounts
from raycrawl.core.messages import Ack, RequestRecord
from raycrawl.frontier import (
    FrontierCorruptError,
    FrontierFullError,
    FrontierLockedError,
    FrontierStore,
    FrontierStoreError,
    WriteBatch,
    keys,
)
from raycrawl.frontier.memory import MemoryStore
from raycrawl.frontier.rocks import RocksStore
from raycrawl.frontier.store import Area
from tests.core.frontier_walk import Walk

Opener = Callable[[], FrontierStore]


@pytest.fixture(params=["memory", "rocks"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same store again and again, closing the one before."""
    memory = MemoryStore()
    opened: list[FrontierStore] = []

    def open_store() -> FrontierStore:
        if opened:
            opened.pop().close()
        memory.reopen()
        store: FrontierStore = memory if request.param == "memory" else RocksStore(tmp_path / "shard")
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> FrontierStore:
    return opener()


def test_get_many_answers_in_order_and_none_for_what_is_missing(store: FrontierStore) -> None:
    store.write(WriteBatch(seen={b"a": b"1", b"b": b""}))
    assert store.get_many(Area.SEEN, [b"b", b"x", b"a", b"b"]) == [b"", None, b"1", b""]
    assert store.get_many(Area.QUEUE, [b"a"]) == [None]
    assert store.get_many(Area.QUEUE, []) == []


def test_a_batch_changes_all_areas_and_removes(store: FrontierStore) -> None:
    store.write(WriteBatch(seen={b"k": b"s"}, queue={b"k": b"q"}, slots={b"k": b"l"}, meta={b"k": b"m"}))
    assert [store.get_many(area, [b"k"])[0] for area in Area] == [b"s", b"q", b"l", b"m"]
    store.write(WriteBatch(seen={b"k": None}, queue={b"k": b"new", b"gone": None}))
    assert [store.get_many(area, [b"k"])[0] for area in Area] == [None, b"new", b"l", b"m"]
    assert list(store.items(Area.QUEUE)) == [(b"k", b"new")]
    store.write(WriteBatch())


def test_scan_is_a_sorted_range(store: FrontierStore) -> None:
    names = [b"a", b"b\0", b"b1", b"b2", b"b\xff", b"c"]
    store.write(WriteBatch(queue=dict.fromkeys(random.Random(1).sample(names, len(names)), b"")))
    assert store.scan(Area.QUEUE, b"b", keys.prefix_end(b"b"), 10) == names[1:5]
    assert store.scan(Area.QUEUE, b"b1", b"c", 2) == [b"b1", b"b2"]
    assert store.scan(Area.QUEUE, b"d", b"e", 2) == []
    assert store.scan(Area.QUEUE, b"c", b"c", 2) == []


def test_prefixes_skips_from_group_to_group(store: FrontierStore) -> None:
    groups = [bytes((g,)) * 2 for g in (0, 3, 3, 7, 255)]
    store.write(WriteBatch(queue={group + bytes((n,)): b"" for group in groups for n in (0, 9, 255)}))
    distinct = sorted(set(groups))
    assert store.prefixes(Area.QUEUE, b"", 2, 10) == distinct
    assert store.prefixes(Area.QUEUE, b"", 2, 2) == distinct[:2]
    assert store.prefixes(Area.QUEUE, distinct[1] + b"\xff" * 4, 2, 10) == distinct[2:]
    assert store.prefixes(Area.QUEUE, distinct[-1] + b"\xff" * 4, 2, 10) == []


def test_items_start_anywhere(store: FrontierStore) -> None:
    store.write(WriteBatch(slots={bytes((n,)): str(n).encode() for n in range(9)}))
    assert [key for key, _ in store.items(Area.SLOTS)] == [bytes((n,)) for n in range(9)]
    assert list(store.items(Area.SLOTS, b"\x07")) == [(b"\x07", b"7"), (b"\x08", b"8")]


def test_what_was_written_is_there_after_opening_again(opener: Opener) -> None:
    store = opener()
    store.write(WriteBatch(seen={bytes((n % 256, n >> 8)): b"v" for n in range(3000)}))
    store.sync()
    assert len(list(opener().items(Area.SEEN))) == 3000


def test_a_closed_store_says_so(store: FrontierStore) -> None:
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.get_many(Area.SEEN, [b"a"]),
        lambda: store.scan(Area.QUEUE, b"a", b"b", 1),
        lambda: store.prefixes(Area.QUEUE, b"", 2, 1),
        lambda: list(store.items(Area.SEEN)),
        lambda: store.write(WriteBatch(seen={b"a": b"b"})),
        store.sync,
    ]
    for call in calls:
        with pytest.raises(FrontierStoreError, match="closed"):
            call()


@pytest.mark.parametrize("seed", range(6))
def test_a_frontier_walks_alike_on_every_store(opener: Opener, seed: int) -> None:
    Walk(seed, opener(), opener).run(40, is_deep=True)


def test_both_stores_choose_the_same(tmp_path: Path) -> None:
    rng = random.Random(5)
    records = [
        RequestRecord(rng.randbytes(16), f"s{rng.randrange(30)}.com", rng.randrange(3), rng.randbytes(20))
        for _ in range(2_000)
    ]
    histories = []
    for store in (MemoryStore(), RocksStore(tmp_path / "shard")):
        frontier = Frontier(store)
        history: list[object] = []
        for first in range(0, len(records), 100):
            history.append(frontier.enqueue(records[first : first + 150], now_s=0.0))
            leased = frontier.lease(70, now_s=0.0, owners=2)
            history.append(leased)
            frontier.ack([Ack(each.id) for batch in leased.values() for each in batch])
        history.append(frontier.counts())
        histories.append(history)
        store.close()
    assert histories[0] == histories[1]


# -- RocksDB alone ----------------------------------------------------------------------------------------------------

WRITER = """
import sys
from raycrawl.core.frontier import Frontier
from raycrawl.core.messages import Ack, RequestRecord
from raycrawl.frontier.rocks import RocksStore

frontier = Frontier(RocksStore(sys.argv[1]))
n = 0
while True:
    records = [RequestRecord((n + i).to_bytes(16, "big"), f"s{i % 9}.com", 0, b"p" * 200) for i in range(50)]
    leased = [each.id for batch in frontier.lease(10, now_s=0.0).values() for each in batch]
    frontier.enqueue(records, acks=[Ack(id_) for id_ in leased], now_s=0.0)
    n += 50
    print(n, *(id_.hex() for id_ in leased), flush=True)
"""


def killed_after(path: Path, n_lines: int) -> list[list[str]]:
    """Run ``WRITER`` and kill it; returns what it had told, at least ``n_lines`` lines."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline().split() for _ in range(n_lines)]
        writer.send_signal(signal.SIGKILL)
        return lines + [line.split() for line in writer.stdout if line.endswith("\n")]


@pytest.mark.parametrize("n_lines", [1, 20, 150])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, n_lines: int) -> None:
    path = tmp_path / "shard"
    lines = killed_after(path, n_lines)
    n_told, done = int(lines[-1][0]), {bytes.fromhex(id_) for line in lines for id_ in line[1:]}

    store = RocksStore(path)
    frontier = Frontier(store)
    frontier.validate(is_deep=True)
    counts = frontier.counts()
    assert counts.enqueued in (n_told, n_told + 50), "the batch that was under way is there whole or not at all"
    assert counts.done in range(len(done), len(done) + 11)
    again = [RequestRecord(n.to_bytes(16, "big"), f"s{n % 50 % 9}.com", 0, b"") for n in range(n_told)]
    assert len(frontier.enqueue(again, now_s=0.0)) == n_told
    came: set[bytes] = set()
    while leased := [each.id for batch in frontier.lease(500, now_s=0.0).values() for each in batch]:
        came.update(leased)
        frontier.ack([Ack(id_) for id_ in leased])
    assert not came & done
    assert len(came) == counts.pending
    store.close()


def test_a_store_is_opened_by_one_process_and_read_by_others(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "shard")
    frontier = Frontier(store)
    frontier.enqueue([RequestRecord(bytes(16), "a.com", 0, b"")], now_s=0.0)
    with pytest.raises(FrontierLockedError, match="another process"):
        RocksStore(tmp_path / "shard")
    code = (
        "import sys; from raycrawl.frontier.rocks import RocksStore; from raycrawl.frontier.store import Area\n"
        "print(len(list(RocksStore(sys.argv[1], read_only=True).items(Area.QUEUE))))\n"
        "try: RocksStore(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "shard")]
    assert subprocess.check_output(command, text=True).split() == ["1", "FrontierLockedError"]
    store.close()
    assert subprocess.check_output(command, text=True).split() == ["1"]


def test_opening_is_quick(tmp_path: Path) -> None:
    RocksStore(tmp_path / "warm").close()
    started_s = time.perf_counter()
    store = RocksStore(tmp_path / "shard")
    assert time.perf_counter() - started_s < 0.5  # 0.03 s on an idle machine
    store.close()


def filled(path: Path, n: int = 3_000) -> None:
    store = RocksStore(path)
    frontier = Frontier(store)
    for first in range(0, n, 500):
        records = [RequestRecord(os.urandom(16), f"s{i % 7}.com", 0, os.urandom(300)) for i in range(500)]
        frontier.enqueue(records, now_s=0.0)
        assert frontier.counts().enqueued == first + 500
    store.close()


def use(path: Path) -> FrontierCounts:
    """Open a damaged store and serve everything in it."""
    store = RocksStore(path)
    try:
        frontier = Frontier(store)
        while leased := [each.id for batch in frontier.lease(100, now_s=0.0).values() for each in batch]:
            frontier.ack([Ack(id_) for id_ in leased])
        return frontier.counts()
    finally:
        store.close()


@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_damage_is_an_error_not_a_loss(tmp_path: Path, pattern: str) -> None:
    filled(tmp_path / "shard")
    victims = [path for path in (tmp_path / "shard").glob(pattern) if path.stat().st_size > 0]
    victim = max(victims, key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0x10
    victim.write_bytes(data)
    with pytest.raises(FrontierCorruptError):
        use(tmp_path / "shard")


def log_of(path: Path) -> Path:
    (log,) = (each for each in path.glob("*.log") if each.stat().st_size > 0)
    return log


def test_a_log_that_is_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    killed_after(tmp_path, 40)
    log = log_of(tmp_path)
    data = bytearray(log.read_bytes())
    data[len(data) // 3] ^= 0x01
    log.write_bytes(data)
    with pytest.raises(FrontierCorruptError, match="damaged"):
        RocksStore(tmp_path)


def test_a_log_whose_last_write_was_torn_is_not(tmp_path: Path) -> None:
    killed_after(tmp_path, 40)
    log = log_of(tmp_path)
    log.write_bytes(log.read_bytes()[:-7])
    store = RocksStore(tmp_path)
    frontier = Frontier(store)
    frontier.validate(is_deep=True)
    assert frontier.counts().enqueued >= 39 * 50
    store.close()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; needs the right to mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", path], capture_output=True)
    if not done or done.returncode:
        pytest.skip("no right to mount a file system")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * (16 << 20))
    store = RocksStore(tiny_disk / "shard")
    frontier = Frontier(store)
    filed: list[RequestRecord] = []
    batch: list[RequestRecord] = []
    with pytest.raises(FrontierFullError, match="disk is full"):  # noqa: PT012
        for _ in range(200):
            batch = [RequestRecord(os.urandom(16), f"s{i % 7}.com", 0, os.urandom(400)) for i in range(100)]
            frontier.enqueue(batch, now_s=0.0)
            filed += batch
    assert filed
    assert frontier.counts() == FrontierCounts(enqueued=len(filed), pending=len(filed))
    with pytest.raises(FrontierFullError):
        frontier.enqueue(batch, now_s=0.0)
    ballast.unlink()
    assert frontier.enqueue(batch, now_s=0.0) == []
    frontier.validate(is_deep=True)
    assert frontier.enqueue(filed[:500], now_s=0.0) == list(range(500))
    store.close()
    again = RocksStore(tiny_disk / "shard")
    assert Frontier(again).counts().pending == len(filed) + 100
    again.close()
