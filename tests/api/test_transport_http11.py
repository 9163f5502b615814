"""The HTTP handler against servers on loopback that do one thing each."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import signals
from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import Peer, keep_alive, raw, serving

CORPUS = json.loads((Path(__file__).parents[1] / "data" / "raw-http-responses.json").read_text())


class Client:
    def __init__(self, **settings: Any) -> None:
        settings.setdefault("DOWNLOAD_TIMEOUT", 5)
        self.crawler = get_crawler(settings_dict=settings)
        self.handlers = DownloadHandlers(self.crawler)

    async def get(self, url: str, **kwargs: Any) -> Response:
        return await self.handlers.download_request_async(Request(url, **kwargs))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.handlers.close()


# what comes back


async def test_a_page_with_all_its_attributes(client: Client) -> None:
    async with serving(keep_alive(b"<p>hi</p>")) as server:
        request = Request(server.url + "/a?b=c#d")
        response = await client.handlers.download_request_async(request)
    assert isinstance(response, HtmlResponse)
    assert (response.status, response.body, response.url) == (200, b"<p>hi</p>", server.url + "/a?b=c")
    assert response.headers[b"Content-Type"] == b"text/html"
    assert str(response.ip_address) == "127.0.0.1"
    assert response.protocol == "HTTP/1.1"
    assert response.flags == []
    assert request.meta["download_latency"] >= 0
    assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_post_sends_the_body_and_its_length(client: Client) -> None:
    async with serving(keep_alive()) as server:
        await client.get(server.url, method="POST", body=b"x=1", headers={"Content-Length": "999", "X-A": ["1", "2"]})
        await client.get(server.url, method="POST")
    assert server.requests[0].endswith(b"X-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\nx=1")
    assert b"Content-Length: 0\r\n" in server.requests[1]


async def test_repeated_response_headers_are_all_kept(client: Client) -> None:
    async with serving(
        raw(b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nSET-COOKIE: b=2\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        response = await client.get(server.url)
    assert response.headers.getlist("Set-Cookie") == [b"a=1", b"b=2"]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
async def test_the_corpus_of_odd_responses(client: Client, case: dict[str, str]) -> None:
    data = base64.b64decode(case["raw_b64"])

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)

    async with serving(script) as server:
        try:
            outcome: Any = await client.get(server.url)
        except (DownloadFailedError, ResponseDataLossError) as error:
            outcome = error
    want = case["want"]
    if want == "response":
        assert isinstance(outcome, Response), outcome
    elif want.startswith("error (dataloss"):
        assert isinstance(outcome, (DownloadFailedError, ResponseDataLossError))


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n", b"ok", b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"until close", b"until close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"all of it", b"all of it"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\n: no name\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2;x=y\r\nok\r\n0\r\nTrailer: t\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\nok\n0\n\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"http/1.1 200 ok\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"000000000000000000002\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: bogus\r\nContent-Length: 1\r\n\r\n", b"all of it", b"all of it"),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n", b"ok", b"ok"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000 + b"Content-Length: 2\r\n\r\n", b"ok", b"ok"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_dribbled", [False, True])
async def test_forgiving_where_that_is_safe(
    client: Client, head: bytes, body: bytes, expected: bytes, is_dribbled: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        data = head + body
        if not is_dribbled or len(data) > 1000:
            await peer.send(data)
            return
        for index in range(len(data)):
            await peer.send(data[index : index + 1])
            await asyncio.sleep(0)

    async with serving(script) as server:
        response = await client.get(server.url)
    assert response.body == expected


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.0\r\n\r\n",
        b"<html>no head at all</html>",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"",
    ],
)
async def test_refused_responses_are_errors(client: Client, data: bytes) -> None:
    async with serving(raw(data)) as server:
        with pytest.raises(DownloadFailedError) as caught:
            await client.get(server.url)
    assert caught.type is DownloadFailedError  # a subclass would reach errbacks as RemoteError


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf!!\r\n0\r\n\r\n",
    ],
)
async def test_data_loss(client: Client, data: bytes) -> None:
    async with serving(raw(data)) as server:
        with pytest.raises(ResponseDataLossError):
            await client.get(server.url)
        response = await client.get(server.url, meta={"download_fail_on_dataloss": False})
    assert response.body == b"half"
    assert response.flags == ["dataloss"]


async def test_a_reset_in_a_body_that_ends_with_the_connection_is_data_loss(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        import socket
        import struct

        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.reset()

    async with serving(script) as server:
        with pytest.raises((ResponseDataLossError, DownloadFailedError)):
            await client.get(server.url)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_no_body_where_none_may_be(client: Client, status: bytes) -> None:
    async with serving(keep_alive(b"", b"HTTP/1.1 " + status + b"\r\n")) as server:
        response = await client.get(server.url)
    assert response.body == b""


async def test_head_has_no_body_and_keeps_the_connection(client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

    async with serving(script) as server:
        for _ in range(2):
            response = await client.get(server.url, method="HEAD")
            assert response.body == b""
            assert response.headers["Content-Length"] == b"1000"
        assert server.connections == 1


# connections


async def test_keep_alive_reuses_the_connection(client: Client) -> None:
    async with serving(keep_alive()) as server:
        for _ in range(5):
            await client.get(server.url)
        assert server.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nbad line\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_what_needed_forgiveness_is_not_reused(client: Client, head: bytes) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head)

    async with serving(script) as server:
        for _ in range(2):
            assert (await client.get(server.url)).body == b"ok"
        assert server.connections == 2


async def test_bytes_that_nobody_asked_for_never_become_a_response(client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await asyncio.sleep(0.02)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")

    async with serving(script) as server:
        assert (await client.get(server.url)).body == b"ok"
        await asyncio.sleep(0.05)
        assert (await client.get(server.url)).body == b"ok"


async def test_a_connection_that_died_idle_is_replaced(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.reader.read(1)  # the next request is not answered: the connection closes instead

    async with serving(script) as server:
        for _ in range(3):
            assert (await client.get(server.url)).body == b"ok"


async def test_a_lost_post_is_not_sent_twice(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.request()

    async with serving(script) as server:
        await client.get(server.url)
        with pytest.raises(DownloadFailedError):
            await client.get(server.url, method="POST", body=b"x")
        assert len(server.requests) == 2


async def test_refused_and_unresolvable(client: Client) -> None:
    async with serving(keep_alive()) as server:
        url = server.url
    with pytest.raises(DownloadConnectionRefusedError):
        await client.get(url)
    with pytest.raises(CannotResolveHostError, match=r"nowhere\.invalid"):
        await client.get("http://nowhere.invalid/")


async def test_ipv6_when_the_machine_has_it(client: Client) -> None:
    try:
        async with serving(keep_alive(), host="::1") as server:
            response = await client.get(f"http://[::1]:{server.port}/")
            assert str(response.ip_address) == "::1"
            assert b"Host: [::1]:" in server.requests[0]
    except OSError:
        pytest.skip("no IPv6 on this machine")


async def test_bind_address(client: Client) -> None:
    peers: list[str] = []

    async def script(peer: Peer) -> None:
        peers.append(peer.writer.get_extra_info("peername")[0])
        await keep_alive()(peer)

    async with serving(script) as server:
        await client.get(server.url, meta={"bindaddress": ("127.0.0.5", 0)})
        await client.get(server.url, meta={"bindaddress": "127.0.0.6"})
    assert peers == ["127.0.0.5", "127.0.0.6"]


# limits


@pytest.mark.parametrize(
    "script_data",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"],
    ids=["silence", "headers", "body"],
)
async def test_the_deadline_ends_everything(client: Client, script_data: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(script_data)
        await asyncio.Event().wait()

    async with serving(script) as server:
        with pytest.raises(DownloadTimeoutError):
            await client.get(server.url, meta={"download_timeout": 0.05})


async def test_a_body_that_drips_meets_the_same_deadline(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.005)

    async with serving(script) as server:
        with pytest.raises(DownloadTimeoutError):
            await client.get(server.url, meta={"download_timeout": 0.1})


@pytest.mark.parametrize("nbytes", [10 * 2**40, 10**30])
async def test_announced_size_over_the_limit_is_cancelled_at_once(client: Client, nbytes: int) -> None:
    async with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % nbytes)) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url)
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url, meta={"download_maxsize": 1000})


@pytest.mark.parametrize("framing", [b"", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_without_end_is_cancelled(client: Client, framing: bytes) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
        block = b"x" * 4096
        while True:
            await peer.send(b"1000\r\n" + block + b"\r\n" if framing else block)
            sent += len(block)

    async with serving(script) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url, meta={"download_maxsize": 100_000})
    assert sent < 10_000_000


@pytest.mark.parametrize("endless", [b"X-A: b\r\n", b"a" * 100, b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_endless_heads_are_refused(client: Client, endless: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if not endless.startswith(b"HTTP"):
            await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(endless * 100)

    async with serving(script) as server:
        with pytest.raises(DownloadFailedError):
            await client.get(server.url)


async def test_endless_chunk_lines_and_trailers_are_refused(client: Client) -> None:
    for start, endless in ((b"", b"0"), (b"2\r\nok\r\n0\r\n", b"X-T: y\r\n")):

        async def script(peer: Peer, start: bytes = start, endless: bytes = endless) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + start)
            while True:
                await peer.send(endless * 1000)

        async with serving(script) as server:
            with pytest.raises(ResponseDataLossError):
                await client.get(server.url)


async def test_chunks_that_are_mostly_headers_are_refused(client: Client) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1;" + b"x" * 50 + b"\r\nx\r\n")
            sent += 58

    async with serving(script) as server:
        with pytest.raises(ResponseDataLossError, match="chunk headers"):
            await client.get(server.url)
    assert sent < 10_000_000


async def test_a_body_in_many_pieces_is_whole(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(2000):
            await peer.send(b"4\r\n%04d\r\n" % number)
        await peer.send(b"0\r\n\r\n")

    async with serving(script) as server:
        response = await client.get(server.url)
    assert response.body == b"".join(b"%04d" % number for number in range(2000))


async def test_truncate_instead_of_fail(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 1000)

    async with serving(script) as server:
        response = await client.get(server.url, meta={"_truncate_nbytes": 5000})
    assert response.body == b"x" * 5000
    assert response.flags == ["truncated"]


async def test_warnsize_warns(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(keep_alive(b"x" * 100)) as server:
        await client.get(server.url, meta={"download_warnsize": 50})
    assert "DOWNLOAD_WARNSIZE" in caplog.text


# what must not be sent


@pytest.mark.parametrize(
    "kwargs",
    [
        {"headers": {"X-A": "b\r\nEvil: 1"}},
        {"headers": {"X-A": "b\nEvil: 1"}},
        {"headers": {"X-A": "b\0"}},
        {"headers": {"X-A\r\nEvil": "1"}},
        {"headers": {"X A": "1"}},
        {"headers": {"Host": "a\r\nEvil: 1"}},
        {"headers": {"User-Agent": "a\rEvil: 1"}},
        {"headers": {"Cookie": "a=b\r\nEvil: 1"}},
        {"method": "GET / HTTP/1.1\r\nEvil: 1\r\n"},
        {"method": "G T"},
        {"method": ""},
    ],
)
async def test_header_injection_is_refused(client: Client, kwargs: dict[str, Any]) -> None:
    async with serving(keep_alive()) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url, **kwargs)
        assert server.requests == []


@pytest.mark.parametrize("tail", ["/a b", "/a\r\nEvil: 1", "/\0", "/\u00e9"])
async def test_verbatim_urls_cannot_forge_requests(client: Client, tail: str) -> None:
    async with serving(keep_alive()) as server:
        with pytest.raises(DownloadCancelledError):
            await client.get(server.url + tail, meta={"verbatim_url": True})
        assert server.requests == []


async def test_verbatim_urls_are_sent_as_they_are(client: Client) -> None:
    async with serving(keep_alive()) as server:
        await client.get(server.url + "/a/../b?x=[1]|2", meta={"verbatim_url": True})
    assert server.requests[0].startswith(b"GET /a/../b?x=[1]|2 HTTP/1.1\r\n")


async def test_credentials_of_the_url_become_a_header_and_stay_out_of_errors(client: Client) -> None:
    async with serving(keep_alive()) as server:
        await client.get(f"http://user:p%40ss@127.0.0.1:{server.port}/")
        assert b"Authorization: Basic " + base64.b64encode(b"user:p@ss") in server.requests[0]
        assert b"user" not in server.requests[0].partition(b"Authorization")[0]
    async with serving(raw(b"HTTP/1.1 200 OK\r\n")) as server:
        for meta in ({"download_timeout": 0.001}, {}):
            with pytest.raises((DownloadTimeoutError, DownloadFailedError)) as caught:
                await client.get(f"http://user:hunter2@127.0.0.1:{server.port}/", meta=meta)
            assert "hunter2" not in str(caught.value)


async def test_proxy_authorization_never_reaches_a_server(client: Client) -> None:
    async with serving(keep_alive()) as server:
        await client.get(server.url, headers={"Proxy-Authorization": "Basic c2VjcmV0"})
    assert b"Proxy-Authorization" not in server.requests[0]


# signals


async def test_headers_received_may_stop_the_download(client: Client) -> None:
    seen: list[Any] = []

    def stop(headers: Any, body_length: int, request: Request) -> None:
        seen.append((headers["Content-Type"], body_length, request.url))
        raise StopDownload(fail=False)

    client.crawler.signals.connect(stop, signals.headers_received)
    async with serving(keep_alive(b"x" * 50)) as server:
        response = await client.get(server.url)
        assert seen == [(b"text/html", 50, server.url)]
    assert response.body == b""
    assert response.flags == ["download_stopped"]


async def test_bytes_received_may_stop_the_download_with_an_error(client: Client) -> None:
    def stop(data: bytes) -> None:
        raise StopDownload

    client.crawler.signals.connect(stop, signals.bytes_received)
    async with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")) as server:
        with pytest.raises(StopDownload) as caught:
            await client.get(server.url)
    assert caught.value.response.body == b"first"
    assert caught.value.response.status == 200


async def test_bytes_received_sees_the_whole_body(client: Client) -> None:
    parts: list[bytes] = []

    def collect(data: bytes) -> None:
        parts.append(data)

    client.crawler.signals.connect(collect, signals.bytes_received)
    async with serving(keep_alive(b"abc" * 1000)) as server:
        response = await client.get(server.url)
    assert b"".join(parts) == response.body


async def test_a_cancelled_download_leaves_no_half_read_connection(client: Client) -> None:
    started = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.request()
            if b"/slow" in head:
                started.set()
                await asyncio.Event().wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(script) as server:
        await client.get(server.url)
        task = asyncio.ensure_future(client.get(server.url + "/slow"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.get(server.url)).body == b"ok"
        assert server.connections == 2


async def test_transfer_encoding_gzip(client: Client) -> None:
    import gzip

    packed = gzip.compress(b"hello")
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    )
    async with serving(raw(data)) as server:
        assert (await client.get(server.url)).body == b"hello"
