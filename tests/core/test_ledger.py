"""The ledger: what is in flight, who holds it, and the sums."""

from __future__ import annotations

import random

import pytest

from raycrawl.core.ledger import Holder, Ledger
from raycrawl.core.messages import PageFetched

D0, D1 = Holder("downloader", 0, 0), Holder("downloader", 1, 0)
S0 = Holder("scraper", 0, 0)


def page(number: int) -> bytes:
    return number.to_bytes(16, "big")


def to_scraper(number: int, nbytes: int = 10, scraper: int = 0, incarnation: int = 0) -> PageFetched:
    return PageFetched(page(number), scraper, incarnation, nbytes)


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.lease(3, D0, [page(1), page(2)], now_s=1.0)
    return ledger


def test_a_page_is_counted_where_it_is(ledger: Ledger) -> None:
    assert (ledger.downloading, ledger.unscraped, ledger.unscraped_nbytes) == (2, 0, 0)
    assert ledger.fetched(to_scraper(1), 2.0) == 3
    assert (ledger.downloading, ledger.unscraped, ledger.unscraped_nbytes) == (1, 1, 10)
    assert ledger.holder(page(1)) == S0
    assert ledger.end(page(1)) == 3
    assert (ledger.downloading, ledger.unscraped, ledger.unscraped_nbytes) == (1, 0, 0)
    assert ledger.holder(page(1)) is None
    assert page(1) not in ledger
    assert len(ledger) == 1
    ledger.validate()


def test_late_and_repeated_reports_are_ignored(ledger: Ledger) -> None:
    ledger.fetched(to_scraper(1), 2.0)
    assert ledger.fetched(to_scraper(1, nbytes=99), 3.0) is None
    assert ledger.unscraped_nbytes == 10
    assert ledger.fetched(to_scraper(9), 3.0) is None
    ledger.end(page(1))
    assert ledger.end(page(1)) is None
    assert ledger.fetched(to_scraper(1), 4.0) is None
    ledger.validate()


def test_repeated_lease_changes_hands(ledger: Ledger) -> None:
    ledger.lease(3, D1, [page(1)], now_s=2.0)
    assert ledger.holder(page(1)) == D1
    assert ledger.downloading == 2
    assert [page_id for page_id, _ in ledger.lost(D0)] == [page(2)]
    ledger.validate()


def test_a_death_takes_off_all_that_was_held_and_says_how_often_before(ledger: Ledger) -> None:
    ledger.lease(4, D0, [page(5)], now_s=1.0, attempts={page(5): 2})
    assert [(page_id, entry.shard, entry.attempts) for page_id, entry in ledger.lost(D0)] == [
        (page(1), 3, 0), (page(2), 3, 0), (page(5), 4, 2),
    ]  # fmt: skip
    assert len(ledger) == ledger.downloading == 0
    assert ledger.lost(D0) == []


def test_attempts_travel_with_the_page(ledger: Ledger) -> None:
    ledger.lease(4, D0, [page(5)], now_s=1.0, attempts={page(5): 2})
    ledger.fetched(to_scraper(5), 2.0)
    assert [entry.attempts for _, entry in ledger.lost(S0)] == [2]


def test_waiting_requests_hold_no_concurrency(ledger: Ledger) -> None:
    assert ledger.transferring == 2
    ledger.set_waiting(D0, 1)
    assert ledger.transferring == 1
    ledger.set_waiting(D0, 50)  # an old number: more than it holds
    assert ledger.transferring == 0
    ledger.lost(D0)
    assert ledger.transferring == 0
    ledger.lease(0, D0, [page(7)], now_s=2.0)
    assert ledger.transferring == 1  # what the dead one said has gone with it


def test_questions_by_age_and_by_shard(ledger: Ledger) -> None:
    ledger.lease(4, D0, [page(3)], now_s=5.0)
    assert ledger.held(D0, 5.0) == [page(1), page(2)]
    assert ledger.held(D1, 5.0) == []
    assert ledger.of_shard(4) == [page(3)]


@pytest.mark.parametrize("seed", range(4))
def test_random_walk(seed: int) -> None:
    rng = random.Random(seed)
    ledger = Ledger()
    sizes: dict[bytes, int] = {}  # the model: pages and their sizes, -1 at a Downloader
    for step in range(1500):
        number = rng.randrange(40)
        known = page(number) in sizes
        match rng.randrange(5):
            case 0 | 1:
                ledger.lease(rng.randrange(3), rng.choice((D0, D1)), [page(number)], now_s=step)
                sizes[page(number)] = -1
            case 2:
                told = ledger.fetched(to_scraper(number, rng.randrange(100), rng.randrange(2)), step)
                assert (told is not None) == (known and sizes[page(number)] < 0)
                if told is not None:
                    sizes[page(number)] = ledger._entries[page(number)].nbytes
            case 3:
                assert (ledger.end(page(number)) is not None) == known
                sizes.pop(page(number), None)
            case 4 if rng.random() < 0.1:
                for page_id, _ in ledger.lost(rng.choice((D0, D1, S0))):
                    del sizes[page_id]
        ledger.validate()
        assert len(ledger) == len(sizes)
        assert ledger.unscraped_nbytes == sum(size for size in sizes.values() if size > 0)
