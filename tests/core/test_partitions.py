"""Slots and their owners."""

from __future__ import annotations

import random

import pytest

from raycrawl.core.partitions import PARTITIONS, owner_of, partition_of, registrable_domain


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("example.com", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("", ""),
        ("co.uk", "co.uk"),
        ("my-slot", "my-slot"),
    ],
)
def test_registrable_domain(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


def test_hosts_of_a_site_stay_together() -> None:
    assert len({partition_of(host) for host in ("shop.example.org", "www.example.org", "example.org")}) == 1
    assert len({owner_of(host, 7) for host in ("shop.example.org", "www.example.org")}) == 1


def test_every_slot_has_an_owner_and_they_share_evenly() -> None:
    rng = random.Random(0)
    hosts = [f"h{rng.randrange(10**9)}.net" for _ in range(4000)]
    assert all(0 <= partition_of(host) < PARTITIONS for host in hosts)
    counts = [sum(owner_of(host, 4) == owner for host in hosts) for owner in range(4)]
    assert min(counts) > 800
    assert {owner_of(host, 1) for host in hosts} == {0}


def test_partitions_are_the_same_in_every_process_and_release() -> None:
    assert [partition_of(host) for host in ("example.com", "127.0.0.1", "\udcff")] == [114, 168, 172]
