"""What the engine knows of one frontier shard, and when it is worth a call."""

from __future__ import annotations

from raycrawl.core.events import CallShard, Leased
from raycrawl.core.messages import Ack, LeaseRequest


class ShardView:
    """One shard as the engine sees it.

    Owns what must still be told to the shard (ends, releases) and the one call that may be outstanding. Invariants: at
    most one call is outstanding; what is in it is told again when the shard is replaced before it answered; ``pending``
    is what the last answer said, and counts as unknown (``fresh`` False) as soon as anything may have changed it.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.incarnation = 0
        self.alive = True
        self.pending = 0
        self.fresh = False
        self.ready_at_s: float | None = None
        self.called_at_s = float("-inf")
        self.wants_check = False
        self._seq = 0
        self._call: LeaseRequest | None = None
        self._fetched: list[bytes] = []
        self._acks: list[Ack] = []
        self._released: list[bytes] = []
        self._lost: list[bytes] = []
        self._condemned: list[bytes] = []

    @property
    def is_waiting(self) -> bool:
        """A call is under way."""
        return self._call is not None

    @property
    def asked(self) -> int:
        """How many requests the call that is under way asks for."""
        return self._call.n if self._call is not None else 0

    @property
    def has_news(self) -> bool:
        """There is something that the shard must be told."""
        return bool(self._fetched or self._acks or self._released or self._lost or self._condemned)

    @property
    def is_settled(self) -> bool:
        """The shard knows all that the engine knows, and the other way round."""
        return self.alive and self.fresh and not self.is_waiting and not self.has_news

    def note_touched(self) -> None:
        """Requests came in, or slots may have become free."""
        self.fresh = False
        self.ready_at_s = None

    def note_fetched(self, page_id: bytes) -> None:
        """A download ended: the slot may have room."""
        self._fetched.append(page_id)
        self.note_touched()

    def note_ack(self, ack: Ack) -> None:
        """A page ended."""
        self._acks.append(ack)
        self.note_touched()

    def note_released(self, page_id: bytes, *, lost: bool) -> None:
        """A page goes back to PENDING; ``lost`` when its holder died with it."""
        (self._lost if lost else self._released).append(page_id)
        self.note_touched()

    def note_condemned(self, page_id: bytes) -> None:
        """A page whose callback does not end: it is poison, without another try."""
        self._condemned.append(page_id)
        self.note_touched()

    def is_worth_a_call(self, room: int, now_s: float) -> bool:
        """May a call bring requests, or must it carry news?"""
        if not self.alive or self.is_waiting:
            return False
        if room <= 0:
            return self.has_news
        if not self.fresh:
            return True
        return self.pending > 0 and self.ready_at_s is not None and now_s >= self.ready_at_s

    def note_heartbeat(self) -> None:
        """The next call compares the shard's leases with the ledger, and asks anew for what is pending."""
        if self.alive and not self.is_waiting:
            self.wants_check = True
            self.note_touched()

    def call(self, n: int, now_s: float, live: list[bytes] | None = None) -> CallShard:
        """The next call, asking for up to ``n`` requests; ``live`` is all that is in flight, or None."""
        self.wants_check = False
        self._seq += 1
        self.called_at_s = now_s
        self._call = LeaseRequest(
            seq=self._seq,
            n=n,
            fetched=self._fetched,
            acks=self._acks,
            released=self._released,
            lost=self._lost,
            condemned=self._condemned,
            live=live,
        )
        self._fetched, self._acks, self._released, self._lost, self._condemned = [], [], [], [], []
        self.fresh = True
        return CallShard(shard=self.index, request=self._call)

    def answered(self, event: Leased, now_s: float) -> bool:
        """Takes an answer in; False when it is not the one that is waited for (late, or repeated)."""
        if self._call is None or event.seq != self._seq:
            return False
        asked = self._call.n
        self._call = None
        self.pending = event.pending
        self.ready_at_s = None if event.next_ready_in_s is None else now_s + event.next_ready_in_s
        if not asked and event.pending:
            self.fresh = False
        return True

    def died(self) -> None:
        """The shard is gone: what its last call said must be said again to the next one."""
        self.alive = False
        if self._call is not None:
            self._fetched = [*self._call.fetched, *self._fetched]
            self._acks = [*self._call.acks, *self._acks]
            self._released = [*self._call.released, *self._released]
            self._lost = [*self._call.lost, *self._lost]
            self._condemned = [*self._call.condemned, *self._condemned]
            self._call = None
        self.fresh = False

    def replaced(self, incarnation: int) -> None:
        """The next incarnation is there, with all that was durable."""
        self.incarnation = incarnation
        self.alive = True
        self.note_touched()

    def validate(self) -> None:
        """Asserts the invariants."""
        assert self.alive or self._call is None
        assert self.pending >= 0
