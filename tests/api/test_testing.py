"""What `raycrawl.testing` ships: the clock and the servers do what tests rely on."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time

import pytest

from raycrawl.testing import ManualClock, SiteRequest, SiteResponse, SiteServer, misbehaving_site


async def test_the_clock_wakes_sleepers_in_order() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    assert clock.next_wake_s == 1
    clock.advance(2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [seconds for seconds, _ in woken] == [1, 2]
    clock.advance(1)
    await asyncio.gather(*tasks)
    assert woken[-1] == (3, 3)
    assert clock.next_wake_s is None


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)


def _get(server: SiteServer, target: str, host: str = "127.0.0.1", timeout_s: float = 5) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, server.port, timeout=timeout_s)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_site_serves_and_keeps_a_record() -> None:
    async def site(request: SiteRequest) -> SiteResponse:
        await asyncio.sleep(0)
        return SiteResponse(body=f"{request.host} {request.path} {request.query}".encode())

    with SiteServer(site, hosts=("127.0.0.1", "127.0.0.2")) as server:
        assert _get(server, "/a?b=c") == (200, b"127.0.0.1 /a {'b': 'c'}")
        assert _get(server, "/", host="127.0.0.2")[1].startswith(b"127.0.0.2")
        assert [(hit.host, hit.target) for hit in server.hits] == [("127.0.0.1", "/a?b=c"), ("127.0.0.2", "/")]
        assert server.hits[0].time_s <= server.hits[1].time_s <= time.monotonic()


def test_a_connection_is_kept() -> None:
    with SiteServer(misbehaving_site()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        for _ in range(3):
            connection.request("POST", "/echo", body=b"x" * 10)
            assert json.loads(connection.getresponse().read())["body"] == "x" * 10
            used = connection.sock
        assert connection.sock is used
        connection.close()


def test_only_loopback_is_served() -> None:
    with pytest.raises(ValueError, match="loopback"):
        SiteServer(misbehaving_site(), hosts=("0.0.0.0",))


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        SiteServer(misbehaving_site(), port=taken.getsockname()[1]).__enter__()


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/close", http.client.RemoteDisconnected),
        ("/reset", ConnectionResetError),
        ("/truncated", http.client.IncompleteRead),
        ("/not-http", http.client.BadStatusLine),
        ("/hang", TimeoutError),
        ("/stalled", TimeoutError),
    ],
)
def test_the_wire_misbehaves_by_name(target: str, error: type[Exception]) -> None:
    with SiteServer(misbehaving_site()) as server, pytest.raises(error):
        _get(server, target, timeout_s=0.2)


def test_pages_misbehave_by_name() -> None:
    with SiteServer(misbehaving_site({"/own": lambda request: SiteResponse(body=b"mine")})) as server:
        assert _get(server, "/own") == (200, b"mine")
        assert _get(server, "/status?n=429")[0] == 429
        assert len(_get(server, "/huge?n=200000")[1]) == 200_000
        assert [_get(server, "/flaky?key=k&fail=1")[0] for _ in range(2)] == [503, 200]
        assert _get(server, "/no-length")[1] == b"<p>until close</p>"
        assert b"/reset" in _get(server, "/")[1]
        assert _get(server, "/nothing")[0] == 404
