"""What the engine knows of a shard, and when it calls it."""

from __future__ import annotations

from raycrawl.core.events import Leased
from raycrawl.core.messages import Ack
from raycrawl.core.shards import ShardView

A, B = b"a" * 16, b"b" * 16


def answer(seq: int, pending: int = 0, ready_in_s: float | None = None) -> Leased:
    return Leased(shard=0, seq=seq, batches=(), pending=pending, next_ready_in_s=ready_in_s)


def test_a_new_shard_is_worth_a_call_when_there_is_room() -> None:
    shard = ShardView(0)
    assert shard.is_worth_a_call(1, 0.0)
    assert not shard.is_worth_a_call(0, 0.0)
    assert not shard.is_settled


def test_one_call_at_a_time() -> None:
    shard = ShardView(0)
    request = shard.call(4, 0.0).request
    assert (request.seq, request.n, shard.asked) == (1, 4, 4)
    assert not shard.is_worth_a_call(4, 0.0)
    assert shard.is_waiting
    assert not shard.answered(answer(2), 0.0)
    assert shard.answered(answer(1), 0.0)
    assert not shard.answered(answer(1), 0.0)
    assert shard.is_settled
    assert shard.asked == 0


def test_news_are_told_once_and_without_room_too() -> None:
    shard = ShardView(0)
    shard.note_fetched(A)
    shard.note_ack(Ack(A))
    shard.note_released(B, lost=False)
    shard.note_released(A, lost=True)
    assert shard.is_worth_a_call(0, 0.0)
    request = shard.call(0, 0.0).request
    assert (request.fetched, request.acks, request.released, request.lost) == ([A], [Ack(A)], [B], [A])
    shard.answered(answer(1), 0.0)
    assert not shard.has_news
    assert shard.call(1, 0.0).request.acks == []


def test_pending_requests_are_worth_a_call_when_their_time_has_come() -> None:
    shard = ShardView(0)
    shard.call(4, 0.0)
    shard.answered(answer(1, pending=3, ready_in_s=2.0), now_s=10.0)
    assert not shard.is_worth_a_call(4, 11.9)
    assert shard.is_worth_a_call(4, 12.0)
    shard.call(4, 12.0)
    shard.answered(answer(2, pending=3), now_s=12.0)  # every window is full: only an event can help
    assert not shard.is_worth_a_call(4, 99.0)
    shard.note_touched()
    assert shard.is_worth_a_call(4, 99.0)


def test_a_call_that_asked_for_nothing_leaves_pending_requests_to_be_asked_for() -> None:
    shard = ShardView(0)
    shard.note_ack(Ack(A))
    shard.call(0, 0.0)
    shard.answered(answer(1, pending=3), 0.0)
    assert not shard.is_settled
    assert shard.is_worth_a_call(1, 0.0)


def test_what_came_in_during_a_call_is_asked_for_again() -> None:
    shard = ShardView(0)
    shard.call(4, 0.0)
    shard.note_touched()
    shard.answered(answer(1), 0.0)
    assert not shard.is_settled
    assert shard.is_worth_a_call(1, 0.0)


def test_the_next_incarnation_is_told_what_the_dead_one_may_not_have_heard() -> None:
    shard = ShardView(0)
    shard.note_ack(Ack(A))
    shard.call(4, 0.0)
    shard.note_ack(Ack(B))
    shard.died()
    shard.validate()
    assert not shard.is_worth_a_call(4, 0.0)
    assert not shard.answered(answer(1), 0.0)
    shard.replaced(1)
    request = shard.call(4, 0.0).request
    assert request.acks == [Ack(A), Ack(B)]
    assert request.seq == 2


def test_heartbeat_compares_leases_once() -> None:
    shard = ShardView(0)
    shard.call(1, 0.0)
    shard.note_heartbeat()
    assert not shard.wants_check  # a call is under way: next time
    shard.answered(answer(1), 0.0)
    shard.note_heartbeat()
    assert shard.wants_check
    assert shard.call(1, 1.0, live=[A]).request.live == [A]
    assert not shard.wants_check
