"""A look inside a frontier: counts by state and by domain, the oldest requests, the next ones; live or on disk.

``inspect_jobdir`` reads the directory of a crawl, running or not, without a lock. A shard that runs calls ``look``;
``FrontierReport.merge`` puts the reports of all shards together, ``FrontierReport.from_dict`` those of ``look``.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from raycrawl.frontier import keys
from raycrawl.frontier.jobdir import read_info, shard_paths
from raycrawl.frontier.rocks import RocksStore
from raycrawl.frontier.store import Area, FrontierStore

if TYPE_CHECKING:
    import pyarrow

STATES = ("pending", "leased", *keys.OUTCOMES)
"""The states of a request, in the order in which reports show them."""

Describe = Callable[[bytes], str]
"""Says in a line what a payload asks for (``GET https://...``); may raise ``ValueError``."""

_METHOD_FIELD = 7


class Inspectable(Protocol):
    """A shard that runs (``core.frontier.Frontier``)."""

    @property
    def store(self) -> FrontierStore:
        """Where its state is."""

    def leased_ids(self) -> list[bytes]:
        """What it has handed out."""


def describe_payload(payload: bytes) -> str:
    """Method and URL of an encoded request (``raycrawl.records``); unpickles nothing.

    Raises:
        ValueError: it is not one.
    """
    fields = msgspec.msgpack.decode(payload)  # extensions, which may hold pickles, stay closed
    if not isinstance(fields, list) or not fields or not isinstance(fields[0], str):
        raise ValueError("the payload is not a request")
    method = fields[_METHOD_FIELD] if len(fields) > _METHOD_FIELD else "GET"
    return f"{method} {fields[0]}"


class QueuedRequest(msgspec.Struct, frozen=True):
    """A pending or leased request; ``description`` is empty when nobody could read the payload."""

    id: str
    slot: str
    priority: int
    attempts: int
    enqueued_s: int
    description: str = ""


class FrontierReport(msgspec.Struct, frozen=True):
    """What is in a frontier.

    Attributes:
        counts: ``enqueued``, ``STATES`` and ``filtered`` -> requests. From a disk alone, leased ones count as pending.
        domains: slot name -> state -> requests; slots with most pending requests first.
        oldest: pending requests that wait for longest.
        next: pending requests by priority and order; politeness decides when each of them may go.
    """

    counts: dict[str, int]
    domains: dict[str, dict[str, int]]
    oldest: list[QueuedRequest]
    next: list[QueuedRequest]

    @classmethod
    def merge(cls, reports: Sequence[FrontierReport], *, limit: int = 10) -> FrontierReport:
        """One report of several shards."""
        counts = {name: sum(report.counts[name] for report in reports) for name in ("enqueued", *STATES, "filtered")}
        domains: dict[str, dict[str, int]] = {}
        for report in reports:
            for name, states in report.domains.items():
                known = domains.setdefault(name, dict.fromkeys(STATES, 0))
                domains[name] = {state: known[state] + states[state] for state in STATES}
        oldest = sorted((row for report in reports for row in report.oldest), key=lambda row: row.enqueued_s)
        next_ = sorted((row for report in reports for row in report.next), key=lambda row: -row.priority)
        return cls(counts, _sorted(domains), oldest[:limit], next_[:limit])

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> FrontierReport:
        """What ``to_dict`` gave."""
        return msgspec.convert(plain, cls)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def to_arrow(self, part: str = "domains") -> pyarrow.Table:
        """One part as an Arrow table: ``domains``, ``oldest`` or ``next``."""
        import pyarrow

        if part == "domains":
            fields = [("domain", pyarrow.string()), *((state, pyarrow.int64()) for state in STATES)]
            rows: list[dict[str, Any]] = [{"domain": name, **states} for name, states in self.domains.items()]
            return pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(fields))
        if part not in ("oldest", "next"):
            raise ValueError(f"part must be 'domains', 'oldest' or 'next', not {part!r}")
        kinds = {int: pyarrow.int64(), str: pyarrow.string()}
        schema = pyarrow.schema([(field.name, kinds[field.type]) for field in msgspec.structs.fields(QueuedRequest)])
        return pyarrow.Table.from_pylist([msgspec.to_builtins(row) for row in getattr(self, part)], schema=schema)

    def to_table(self, *, max_domains: int = 20) -> str:
        """The report as text for a terminal."""
        lines = ["  ".join(f"{name} {self.counts[name]:,}" for name in ("enqueued", *STATES, "filtered")), ""]
        shown = list(self.domains.items())[:max_domains]
        rows = [["domain", *STATES], *([name, *(f"{states[s]:,}" for s in STATES)] for name, states in shown)]
        lines += _aligned(rows)
        if len(self.domains) > len(shown):
            lines.append(f"... and {len(self.domains) - len(shown):,} more domains")
        for title, requests in (("oldest", self.oldest), ("next", self.next)):
            if requests:
                head = [title, "priority", "attempts", "request"]
                body = [[r.slot, str(r.priority), str(r.attempts), r.description or r.id] for r in requests]
                lines += ["", *_aligned([head, *body])]
        return "\n".join(lines)


def look(frontier: Inspectable, limit: int = 10) -> dict[str, Any]:
    """What is in a shard that runs, as plain data; takes about two seconds for each million requests.

    May be called from a thread while the shard works: the answer is then one of the times in between.
    """
    return inspect_stores([frontier.store], limit=limit, leased=set(frontier.leased_ids())).to_dict()


def inspect_jobdir(
    path: str | Path, *, limit: int = 10, describe: Describe | None = describe_payload
) -> FrontierReport:
    """What is in the frontier of the job at ``path``; it may run meanwhile. About a second for each million requests.

    Raises:
        JobDirError: there is no job, or its description is damaged.
        FrontierStoreError: a shard cannot be read.
    """
    info = read_info(path)
    reports = [inspect_path(shard, limit=limit, describe=describe) for shard in shard_paths(path, info)]
    return FrontierReport.merge(reports, limit=limit)


def inspect_path(
    path: Path, *, limit: int = 10, leased: Collection[bytes] = (), describe: Describe | None = describe_payload
) -> FrontierReport:
    """What is in the shard at ``path``, also while it is open elsewhere, also in this process, also in a thread."""
    if not path.is_dir() or not any(path.iterdir()):
        return inspect_stores([], limit=limit)
    store = RocksStore(path, read_only=True)
    try:
        return inspect_stores([store], limit=limit, leased=leased, describe=describe)
    finally:
        store.close()


def inspect_stores(
    stores: Iterable[FrontierStore],
    *,
    limit: int = 10,
    leased: Collection[bytes] = (),
    describe: Describe | None = describe_payload,
) -> FrontierReport:
    """What is in ``stores``.

    Args:
        limit: how many of the oldest and of the next requests.
        leased: ids that are in flight; a set when there are many.
        describe: makes a payload readable; a ``ValueError`` leaves that description empty, as None leaves all.
    """
    reports = []
    for store in stores:
        names = {key: keys.decode_slot(value).name for key, value in store.items(Area.SLOTS)}
        domains = _count_domains(store, names, leased)
        counts = {state: sum(states[state] for states in domains.values()) for state in STATES}
        (packed,) = store.get_many(Area.META, [keys.COUNTS_KEY])
        filtered = keys.COUNTS.unpack(packed)[4] if packed is not None else 0
        oldest, next_ = _extremes(store, leased, limit)
        reports.append(
            FrontierReport(
                {"enqueued": sum(counts.values()), **counts, "filtered": filtered},
                domains,
                [_row(location, value, names, describe) for location, value in oldest],
                [_row(location, value, names, describe) for location, value in next_],
            )
        )
    return FrontierReport.merge(reports, limit=limit)


def _count_domains(
    store: FrontierStore, names: dict[bytes, str], leased: Collection[bytes]
) -> dict[str, dict[str, int]]:
    tally: dict[bytes, list[int]] = {}
    width, queued_nbytes = keys.SLOT_NBYTES, keys.LOCATION_NBYTES
    n_states, first_outcome = len(STATES), STATES.index(keys.OUTCOMES[0])
    for id_, value in store.items(Area.SEEN):
        counts = tally.get(value[:width])
        if counts is None:
            counts = tally[value[:width]] = [0] * n_states
        if len(value) != queued_nbytes:
            counts[first_outcome + value[-1]] += 1
        elif id_ in leased:
            counts[1] += 1
        else:
            counts[0] += 1
    return {names.get(key, key.hex()): dict(zip(STATES, counts, strict=True)) for key, counts in tally.items()}


_Extreme = tuple[bytes, bytes]


def _extremes(store: FrontierStore, leased: Collection[bytes], limit: int) -> tuple[list[_Extreme], list[_Extreme]]:
    """The queue entries that were enqueued first, and those that rank first."""
    oldest: list[tuple[tuple[int, int], bytes, bytes]] = []
    next_: list[tuple[bytes, bytes, bytes]] = []
    for location, value in store.items(Area.QUEUE) if limit > 0 else ():
        if leased and keys.entry_id(value) in leased:
            continue
        rank = location[keys.SLOT_NBYTES :]
        age = (keys.enqueued_s_of(value), keys.sequence_of(rank))
        if len(oldest) < limit or age < oldest[-1][0]:
            insort(oldest, (age, location, value))
            del oldest[limit:]
        if len(next_) < limit or rank < next_[-1][0]:
            insort(next_, (rank, location, value))
            del next_[limit:]
    return [(where, value) for _, where, value in oldest], [(where, value) for _, where, value in next_]


def _row(location: bytes, value: bytes, names: dict[bytes, str], describe: Describe | None) -> QueuedRequest:
    entry = keys.decode_entry(value)
    key = location[: keys.SLOT_NBYTES]
    description = ""
    if describe is not None:
        try:
            description = describe(entry.payload)
        except ValueError:
            description = ""
    priority = keys.priority_of(location[keys.SLOT_NBYTES :])
    return QueuedRequest(
        entry.id.hex(), names.get(key, key.hex()), priority, entry.attempts, entry.enqueued_s, description
    )


def _sorted(domains: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return dict(sorted(domains.items(), key=lambda item: (-item[1]["pending"], item[0])))


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
