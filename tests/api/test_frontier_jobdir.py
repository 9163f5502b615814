"""Job directories: what is taken, what is refused and with which words; another number of shards; a look inside."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow
import pytest

from raycrawl.core.frontier import Frontier, FrontierCounts
from raycrawl.core.messages import Ack, Outcome, RequestRecord
from raycrawl.core.partitions import owner_of
from raycrawl.frontier import FrontierCorruptError, WriteBatch, keys
from raycrawl.frontier.inspect import STATES, FrontierReport, inspect_jobdir, inspect_stores, look
from raycrawl.frontier.jobdir import INFO_NAME, JobDir, JobDirError, read_info, shard_path, shard_paths
from raycrawl.frontier.jobstate import JobState, JobStateError
from raycrawl.frontier.memory import MemoryStore
from raycrawl.frontier.redeal import redeal
from raycrawl.frontier.rocks import RocksStore
from raycrawl.frontier.store import Area

SETTINGS: dict[str, str | int | float | bool | None] = {"DUPEFILTER_CLASS": "x.Filter", "DEPTH_PRIORITY": 0}


def begin(path: Path, *, shards: int = 1, n: int = 300) -> list[RequestRecord]:
    """A crawl of ``n`` requests that stopped after a third: their states, by id."""
    rng = random.Random(3)
    records = [
        RequestRecord(
            rng.randbytes(16), f"www.site{n % 20}.com", n % 3, msgspec.msgpack.encode([f"https://x/{n}", None])
        )
        for n in range(n)
    ]
    with JobDir.open(path, spider="quotes", shards=shards, settings=SETTINGS) as job:
        for index in range(shards):
            store = RocksStore(job.shard_path(index))
            frontier = Frontier(store)
            frontier.enqueue([r for r in records if owner_of(r.slot, shards) == index], now_s=50.0)
            leased = [each.id for batch in frontier.lease(n // 3 // shards, now_s=60.0).values() for each in batch]
            frontier.ack([Ack(id_, Outcome(id_[0] % 3)) for id_ in leased])
            store.close()
    return records


def total(job: JobDir) -> FrontierCounts:
    counts = FrontierCounts()
    for path in shard_paths(job.path, job.info):
        store = RocksStore(path)
        frontier = Frontier(store)
        frontier.validate(is_deep=True)
        counts += frontier.counts()
        store.close()
    return counts


# -- taken ------------------------------------------------------------------------------------------------------------


def test_a_new_directory_becomes_a_job_and_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "job"
    records = begin(path)
    with JobDir.open(path, spider="quotes", settings=SETTINGS) as job:
        assert job.is_resumed
        assert (job.info.spider, job.info.shards, job.info.generation) == ("quotes", 1, 0)
        counts = total(job)
        assert counts.enqueued == len(records)
        assert counts.leased == 0
        assert 0 < counts.pending < len(records)


def test_a_first_start_that_was_killed_half_way_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "frontier-0" / "shard-0").mkdir(parents=True)
    (tmp_path / f"{INFO_NAME}.tmp").write_text("{")
    with JobDir.open(tmp_path, spider="a") as job:
        assert not job.is_resumed


def test_a_crawl_without_a_job_has_its_shards_in_its_directory(tmp_path: Path) -> None:
    assert shard_path(tmp_path, 1) == tmp_path / "frontier-0" / "shard-1"
    with JobDir.open(tmp_path / "job", spider="a", shards=2) as job:
        assert shard_path(tmp_path / "job", 1) == job.shard_path(1)


# -- refused ----------------------------------------------------------------------------------------------------------


def refused(
    path: Path, spider: str = "quotes", settings: dict[str, str | int | float | bool | None] | None = None
) -> str:
    started_s = time.perf_counter()
    with pytest.raises(JobDirError) as caught:
        JobDir.open(path, spider=spider, settings=SETTINGS if settings is None else settings)
    assert time.perf_counter() - started_s < 2.0
    return str(caught.value)


def test_a_directory_in_use_is_refused_and_says_by_whom(tmp_path: Path) -> None:
    code = (
        "import sys; from raycrawl.frontier.jobdir import JobDir\n"
        f"job = JobDir.open(sys.argv[1], spider='quotes', settings={SETTINGS})\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = refused(tmp_path)
        holder.kill()
    assert f"in use by process {holder.pid} on {os.uname().nodename}" in message
    assert "another JOBDIR" in message
    JobDir.open(tmp_path, spider="quotes", settings=SETTINGS).close()  # a killed holder leaves no lock behind


def test_shards_that_another_process_has_open_are_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raycrawl.frontier.jobdir.LOCK_WAIT_S", 0.1)
    begin(tmp_path)
    store = RocksStore(shard_path(tmp_path, 0))
    assert "wait until the crawl that uses it has ended" in refused(tmp_path)
    store.close()
    JobDir.open(tmp_path, spider="quotes", settings=SETTINGS).close()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["notes.txt", "a", "b", "c"], "it holds a, b, c, ..."),
        (["requests.seen", "spider.state"], "made by Scrapy"),
    ],
)
def test_a_foreign_directory_is_refused_untouched(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    message = refused(tmp_path)
    assert words in message
    assert "use an empty JOBDIR" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "choose another" in refused(tmp_path / "file")
    assert "choose another" in refused(tmp_path / "file" / "deeper")


def test_another_spider_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    assert "spider 'quotes', not 'books'" in refused(tmp_path, spider="books")


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    begin(tmp_path)
    message = refused(tmp_path, settings={**SETTINGS, "DEPTH_PRIORITY": 1, "NEW": "x"})
    assert "DEPTH_PRIORITY was 0, is 1, NEW was None, is 'x'" in message
    assert "set them back" in message


def rewrite(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    from raycrawl.frontier.jobdir import _checksum

    fields = json.loads((path / INFO_NAME).read_text())
    del fields["checksum"]
    change(fields)
    (path / INFO_NAME).write_text(json.dumps({**fields, "checksum": _checksum(fields)}))


@pytest.mark.parametrize(("version", "age"), [(99, "newer"), (0, "older")])
def test_another_format_is_refused(tmp_path: Path, version: int, age: str) -> None:
    begin(tmp_path)
    rewrite(tmp_path, lambda fields: fields.update(format=version))
    message = refused(tmp_path)
    assert f"a raycrawl that is {age} (format {version}, this one reads 1)" in message


def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    rewrite(tmp_path, lambda fields: fields.update(shards="many"))
    assert "is damaged" in refused(tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_any_flipped_bit_of_the_description_is_refused(tmp_path: Path, seed: int) -> None:
    begin(tmp_path, n=3)
    rng, file = random.Random(seed), tmp_path / INFO_NAME
    fields = json.loads(file.read_text())
    file.write_text(json.dumps(fields, separators=(",", ":")))  # no white space, where a flip might not matter
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(5)
    file.write_bytes(data)
    assert "empty JOBDIR" in refused(tmp_path)


def test_a_flipped_bit_in_a_shard_is_found_before_the_crawl_goes_on(tmp_path: Path) -> None:
    begin(tmp_path)
    table = max(shard_path(tmp_path, 0).glob("*.sst"), key=lambda path: path.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 3] ^= 4
    table.write_bytes(data)
    message = refused(tmp_path)
    assert "damaged" in message
    assert "start again with an empty JOBDIR" in message


def test_damaged_small_values_are_found(tmp_path: Path) -> None:
    begin(tmp_path)
    with JobDir.open(tmp_path, spider="quotes", settings=SETTINGS) as job:
        job.state.put("cookies", b"x")
    (tmp_path / "state" / "cookies.state").write_bytes(b"y")
    assert "cookies.state is damaged: remove it to go on without" in refused(tmp_path)
    (tmp_path / "state" / "cookies.state").unlink()
    JobDir.open(tmp_path, spider="quotes", settings=SETTINGS).close()


def test_a_missing_shard_is_found(tmp_path: Path) -> None:
    begin(tmp_path, shards=2)
    shutil.rmtree(shard_path(tmp_path, 1))
    assert "shard-1 is missing" in refused(tmp_path)


@pytest.mark.parametrize(
    "harm",
    [
        WriteBatch(meta={keys.COUNTS_KEY: b"x"}),
        WriteBatch(meta={keys.FORMAT_KEY: b"\x09"}),
        WriteBatch(queue={b"odd": b""}),
        WriteBatch(seen={bytes(16): b"odd"}),
        WriteBatch(seen={bytes(16): bytes(13)}),
    ],
    ids=["counts", "format", "queue", "seen", "audit"],
)
def test_entries_that_do_not_fit_are_found(tmp_path: Path, harm: WriteBatch) -> None:
    begin(tmp_path, n=30)
    store = RocksStore(shard_path(tmp_path, 0))
    store.write(harm)
    store.close()
    assert "damaged" in refused(tmp_path)


def test_a_look_at_nothing_says_what_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(JobDirError, match="holds no job"):
            read_info(path)


# -- another number of shards -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1), (2, 5), (3, 2)])
def test_another_number_of_shards_deals_everything_anew(tmp_path: Path, old: int, new: int) -> None:
    records = begin(tmp_path, shards=old)
    with JobDir.open(tmp_path, spider="quotes", shards=old, settings=SETTINGS) as job:
        before = total(job)
    with JobDir.open(tmp_path, spider="quotes", shards=new, settings=SETTINGS) as job:
        assert total(job) == before
        came = []
        for index, path in enumerate(shard_paths(tmp_path, job.info)):
            store = RocksStore(path)
            frontier = Frontier(store)
            own = [record for record in records if owner_of(record.slot, new) == index]
            assert frontier.enqueue(own, now_s=0.0) == list(range(len(own)))
            while leased := [each for batch in frontier.lease(99, now_s=0.0).values() for each in batch]:
                assert {owner_of(each.slot, new) for each in leased} == {index}
                frontier.ack([Ack(each.id) for each in leased])
                came += [each.id for each in leased]
            frontier.validate(is_deep=True)
            store.close()
        assert len(came) == len(set(came)) == before.pending
    assert [path.name for path in tmp_path.glob("frontier-*")] == ["frontier-1"]


def test_a_deal_that_was_killed_leaves_the_old_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path, shards=2)

    def die(sources: object, targets: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("raycrawl.frontier.jobdir.redeal", die)
        with pytest.raises(KeyboardInterrupt):
            JobDir.open(tmp_path, spider="quotes", shards=3, settings=SETTINGS)
    assert (tmp_path / "frontier-1").exists()
    with JobDir.open(tmp_path, spider="quotes", shards=2, settings=SETTINGS) as job:
        assert total(job).enqueued == 300
    assert not (tmp_path / "frontier-1").exists()


def test_a_request_that_two_shards_know_is_kept_once() -> None:
    sources, target = [MemoryStore(), MemoryStore()], MemoryStore()
    for store, slot in zip(sources, ("a.com", "b.com"), strict=True):
        Frontier(store).enqueue(
            [RequestRecord(bytes(16), slot, 0, b""), RequestRecord(slot.encode() * 4, slot, 0, b"")][:1], now_s=0.0
        )
    redeal(sources, [target])
    frontier = Frontier(target)
    frontier.validate(is_deep=True)
    assert frontier.counts() == FrontierCounts(enqueued=1, pending=1)


def test_sequences_go_on_after_dealing_anew() -> None:
    source, target = MemoryStore(), MemoryStore()
    Frontier(source).enqueue([RequestRecord(bytes((n,)) * 16, "a.com", 0, b"") for n in range(5)], now_s=0.0)
    redeal([source], [target])
    frontier = Frontier(target)
    frontier.enqueue([RequestRecord(b"n" * 16, "a.com", 0, b"")], now_s=0.0)
    assert [each.id for each in frontier.lease(2, now_s=0.0)[0]] == [b"n" * 16, b"\4" * 16]


def test_a_source_without_counts_is_refused() -> None:
    source = MemoryStore()
    Frontier(source)
    source.write(WriteBatch(meta={keys.COUNTS_KEY: None}))
    with pytest.raises(FrontierCorruptError, match="counts"):
        redeal([source], [MemoryStore()])


# -- small values -----------------------------------------------------------------------------------------------------


def test_state_is_kept_replaced_listed_and_forgotten(tmp_path: Path) -> None:
    state = JobState(tmp_path / "state")
    assert state.get("cookies") is None
    assert state.names() == []
    state.put("cookies", b"one")
    state.put("cookies", b"two" * 1000)
    state.put("spider.state", b"")
    again = JobState(tmp_path / "state")
    assert again.get("cookies") == b"two" * 1000
    assert again.get("spider.state") == b""
    assert again.names() == ["cookies", "spider.state"]
    again.delete("cookies")
    again.delete("cookies")
    assert again.names() == ["spider.state"]


def test_damaged_state_is_refused(tmp_path: Path) -> None:
    state = JobState(tmp_path)
    state.put("stats", b"value")
    file = tmp_path / "stats.state"
    for raw in (file.read_bytes()[:-1], b"", file.read_bytes().replace(b"value", b"valve")):
        file.write_bytes(raw)
        with pytest.raises(JobStateError, match=r"stats\.state is damaged: remove it"):
            state.get("stats")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 200])
def test_names_of_state_stay_in_their_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        JobState(tmp_path).put(name, b"")


# -- a look inside ----------------------------------------------------------------------------------------------------


def test_outcomes_are_numbered_as_in_the_messages() -> None:
    assert [outcome.name.lower() for outcome in Outcome] == list(keys.OUTCOMES)


def test_the_look_counts_by_state_and_domain(tmp_path: Path) -> None:
    begin(tmp_path, shards=2)
    report = inspect_jobdir(tmp_path, limit=4)
    with JobDir.open(tmp_path, spider="quotes", shards=2, settings=SETTINGS) as job:
        counts = total(job)
    assert report.counts == {name: getattr(counts, name) for name in ("enqueued", *STATES, "filtered")}
    assert len(report.domains) == 20
    for state in STATES:
        assert sum(states[state] for states in report.domains.values()) == getattr(counts, state)
    assert [row.priority for row in report.next] == [1, 1, 1, 1]  # the hundred of priority 2 went first
    assert [row.enqueued_s for row in report.oldest] == [50] * 4
    assert all(row.description.startswith("GET https://x/") for row in report.next)


def test_the_look_of_a_shard_that_runs_knows_leases_and_order() -> None:
    frontier = Frontier(MemoryStore())
    for n in range(6):
        records = [RequestRecord(bytes((n,)) * 16, f"{n % 2}.com", n // 2, b"not a request")]
        frontier.enqueue(records, now_s=100.0 + n)
    frontier.lease(1, now_s=200.0)
    frontier.release_owner(0, 0)
    leased = [each.id[0] for each in frontier.lease(1, now_s=200.0)[0]]
    assert leased == [5]
    report = FrontierReport.from_dict(look(frontier, 2))
    assert [report.counts[name] for name in ("enqueued", *STATES)] == [6, 5, 1, 0, 0, 0]
    assert report.domains["1.com"]["leased"] == 1
    assert [(row.id[:2], row.enqueued_s) for row in report.oldest] == [("00", 100), ("01", 101)]
    assert [(row.id[:2], row.priority, row.attempts) for row in report.next] == [("04", 2, 1), ("03", 1, 0)]
    assert {row.description for row in report.next} == {""}
    assert inspect_stores([frontier.store], limit=0).oldest == []


def test_a_look_from_a_thread_while_the_shard_works(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "shard")
    frontier = Frontier(store)
    frontier.enqueue([RequestRecord(os.urandom(16), f"{n % 9}.com", 0, b"") for n in range(2000)], now_s=0.0)
    looks: list[dict[str, int]] = []
    thread = threading.Thread(target=lambda: looks.extend(look(frontier)["counts"] for _ in range(5)))
    thread.start()
    while thread.is_alive():
        frontier.enqueue([RequestRecord(os.urandom(16), "x.com", 0, b"")], now_s=0.0)
    thread.join()
    assert len(looks) == 5
    assert all(2000 <= counts["enqueued"] <= frontier.counts().enqueued for counts in looks)
    store.close()


def test_reports_as_text_json_and_arrow(tmp_path: Path) -> None:
    begin(tmp_path)
    report = inspect_jobdir(tmp_path, limit=3)
    text = report.to_table(max_domains=5)
    assert text.splitlines()[0].startswith("enqueued 300  pending 200  leased 0")
    assert "... and 15 more domains" in text
    assert "GET https://x/" in text
    assert json.loads(report.to_json())["counts"] == report.counts
    domains = report.to_arrow()
    assert domains.column_names == ["domain", *STATES]
    assert domains.num_rows == 20
    assert sum(domains["pending"].to_pylist()) == 200
    assert report.to_arrow("next").num_rows == report.to_arrow("oldest").num_rows == 3
    assert report.to_arrow("next").schema.field("priority").type == pyarrow.int64()
    with pytest.raises(ValueError, match="domains"):
        report.to_arrow("everything")


def test_an_empty_job_has_an_empty_report(tmp_path: Path) -> None:
    JobDir.open(tmp_path, spider="a").close()
    report = inspect_jobdir(tmp_path)
    assert report.counts["enqueued"] == 0
    assert report.to_arrow().num_rows == report.to_arrow("oldest").num_rows == 0
    assert "pending 0" in report.to_table()
    assert list(MemoryStore().items(Area.SEEN)) == []
