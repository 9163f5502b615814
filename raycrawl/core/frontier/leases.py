"""Who holds which request, and until when."""

from __future__ import annotations

from collections.abc import Collection

from raycrawl.core.frontier.slots import Slot

NOBODY = -1
"""The owner of a lease whose holder is not known: found alive after a restart, or poison."""


class Lease:
    """A request that is out: who has it, for how long, and how often a holder died of it before."""

    __slots__ = ("attempts", "deadline_s", "incarnation", "is_fetched", "is_poison", "owner", "rank", "slot")

    def __init__(
        self, slot: Slot, rank: bytes, *, attempts: int, deadline_s: float, owner: int = NOBODY, incarnation: int = 0
    ) -> None:
        self.slot = slot
        self.rank = rank
        self.owner = owner
        self.incarnation = incarnation
        self.deadline_s = deadline_s
        self.attempts = attempts
        self.is_fetched = False
        self.is_poison = False

    def end_fetch(self) -> None:
        """The download ended, however: it takes no place in its slot's window any more. Idempotent."""
        if not self.is_fetched:
            self.is_fetched = True
            self.slot.unfetched -= 1

    def end(self) -> None:
        """The lease is over."""
        self.end_fetch()
        self.slot.out.discard(self.rank)


class LeaseTable(dict[bytes, Lease]):
    """Leases by request id, the oldest first. As large as what is in flight, so walking over it is cheap."""

    def expired(self, now_s: float) -> list[bytes]:
        """Ids whose deadline is past; poison has none."""
        found = []
        for id_, lease in self.items():
            if lease.is_poison:
                continue
            if lease.deadline_s > now_s:
                break  # deadlines are in the order of the leases
            found.append(id_)
        return found

    def of_owner(self, owner: int, incarnation: int) -> list[bytes]:
        """Ids that ``owner`` held in ``incarnation`` or an earlier one."""
        return [
            id_
            for id_, lease in self.items()
            if lease.owner == owner and lease.incarnation <= incarnation and not lease.is_poison
        ]

    def absent_from(self, live_ids: Collection[bytes]) -> list[bytes]:
        """Ids that are not among ``live_ids``."""
        return [id_ for id_, lease in self.items() if id_ not in live_ids and not lease.is_poison]
