"""A whole crawl in one process through the real HTTP client, its middlewares and the rule on private addresses."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Spider
from raycrawl.http import Request
from raycrawl.transport import addresses, connector
from tests.actors.local import FakeSite, Run
from tests.api.rawserver import Peer, RawServer, raw, serving

CORPUS = json.loads((Path(__file__).parents[1] / "data" / "raw-http-responses.json").read_text())
HANDLER = "raycrawl.core.downloader.handlers.http11.HTTP11DownloadHandler"
SETTINGS: dict[str, Any] = {
    "DOWNLOAD_HANDLERS": {"http": HANDLER, "https": HANDLER},
    "DOWNLOAD_TIMEOUT": 5,
    "ROBOTSTXT_OBEY": True,
    "LOG_LEVEL": "INFO",
}


def site(pages: dict[str, str]) -> Any:
    """Pages by path; ``robots.txt`` is 404 unless given. A value that starts with ``->`` redirects."""

    async def script(peer: Peer) -> None:
        while True:
            path = (await peer.request()).split(b" ")[1].decode()
            body = pages.get(path)
            if body is None:
                await peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            elif body.startswith("->"):
                await peer.send(f"HTTP/1.1 302 Found\r\nLocation: {body[2:]}\r\nContent-Length: 0\r\n\r\n".encode())
            else:
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
                await peer.send((head + body).encode())

    return script


class Follower(Spider):
    name = "follower"

    async def start(self) -> AsyncIterator[Any]:
        for url in self.urls.split():  # type: ignore[attr-defined]
            yield Request(url, errback=self.failed)

    def parse(self, response: Any, **kwargs: Any) -> Any:
        yield {"url": response.url, "status": response.status}
        for href in response.css("a::attr(href)").getall():
            meta = response.meta if "copy" in href else None
            yield response.follow(href, errback=self.failed, meta=meta)

    def failed(self, failure: Any) -> Any:
        yield {"url": failure.request.url, "error": failure.type.__name__}


async def crawl(tmp_path: Path, urls: str, **settings: Any) -> dict[str, Any]:
    """What became of each URL: its status, or the name of the error."""
    run = Run(Follower, FakeSite(lambda path: b""), tmp_path, settings={**SETTINGS, **settings}, urls=urls)
    await run.finish()
    assert run.stats["audit"] == ""
    return {item["url"]: item.get("status", item.get("error")) for item in run.items()}


def requests_of(server: RawServer) -> list[str]:
    return [head.split(b" ")[1].decode() for head in server.requests]


async def test_an_intranet_can_be_crawled(tmp_path: Path) -> None:
    pages = {"/": '<a href="/a">', "/a": '<a href="/b">', "/b": "end", "/robots.txt": "User-agent: *\nDisallow: /no"}
    async with serving(site(pages)) as server:
        outcome = await crawl(tmp_path, f"{server.url}/ {server.url}/no")
    assert outcome == {
        f"{server.url}/": 200,
        f"{server.url}/a": 200,
        f"{server.url}/b": 200,
        f"{server.url}/no": "IgnoreRequest",
    }


@pytest.fixture
def _public_127_0_0_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 counts as public."""
    real = addresses.is_private_address

    def is_private(text: str) -> bool:
        return text != "127.0.0.2" and real(text)

    for module in (addresses, connector):
        monkeypatch.setattr(module, "is_private_address", is_private)


@pytest.mark.usefixtures("_public_127_0_0_2")
async def test_a_public_page_leads_nowhere_private(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        private = await stack.enter_async_context(serving(site({"/": "secret"}), host="127.0.0.3"))
        target = private.url
        links = (f"{target}/link", f"{target}/copy", "/moved", "/ok", "file:///etc/hostname")
        pages = {
            "/": "".join(f'<a href="{link}">' for link in links),
            "/moved": f"->{target}/redirect",
            "/start": f"->{target}/start",
            "/ok": "fine",
        }
        public = await stack.enter_async_context(serving(site(pages), host="127.0.0.2"))
        outcome = await crawl(tmp_path, f"{public.url}/ {public.url}/start {target}/")
        assert requests_of(private) == ["/robots.txt", "/"]  # the start request alone
    refused = {f"{target}/link", f"{target}/copy", f"{target}/redirect", f"{target}/start"}
    assert outcome[f"{public.url}/ok"] == outcome[f"{target}/"] == 200
    assert outcome["file:///etc/hostname"] == "DownloadCancelledError"
    assert {url for url, result in outcome.items() if result in ("IgnoreRequest", "DownloadCancelledError")} >= refused


async def test_the_corpus_of_odd_responses_reaches_the_spider(tmp_path: Path) -> None:
    wants: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for case in CORPUS:
            server = await stack.enter_async_context(serving(raw(base64.b64decode(case["raw_b64"]))))
            wants[server.url] = case["want"]
        settings = {"ROBOTSTXT_OBEY": False, "RETRY_ENABLED": False, "HTTPERROR_ALLOW_ALL": True}
        outcome = await crawl(tmp_path, " ".join(wants), **settings)
    assert outcome.keys() == wants.keys()
    for url, want in wants.items():
        if want == "response":
            assert isinstance(outcome[url], int)
        elif want.startswith("error (dataloss"):
            assert outcome[url] in ("ResponseDataLossError", "DownloadFailedError")
