"""The HTTP cache: middleware, policies, storages."""

from __future__ import annotations

import inspect
import time
from email.utils import formatdate
from typing import Any

import pytest

from raycrawl.downloadermiddlewares.httpcache import HttpCacheMiddleware
from raycrawl.exceptions import DownloadTimeoutError, IgnoreRequest, NotConfigured
from raycrawl.extensions.httpcache import (
    DbmCacheStorage,
    DummyPolicy,
    FilesystemCacheStorage,
    FsspecCacheStorage,
    RFC2616Policy,
    parse_cachecontrol,
    rfc1123_to_epoch,
)
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.utils.test import get_crawler

URL = "http://a.com/x"
STORAGES = [FilesystemCacheStorage, DbmCacheStorage, FsspecCacheStorage]


class Cache:
    def __init__(
        self, tmp_path: Any, policy: Any = DummyPolicy, storage: Any = FilesystemCacheStorage, **settings: Any
    ) -> None:
        self.crawler = get_crawler(
            settings_dict={
                "HTTPCACHE_ENABLED": True,
                "HTTPCACHE_DIR": str(tmp_path),
                "HTTPCACHE_POLICY": policy,
                "HTTPCACHE_STORAGE": storage,
                "HTTPCACHE_DBM_MODULE": "dbm.dumb",
                **settings,
            }
        )
        self.middleware = HttpCacheMiddleware.from_crawler(self.crawler)
        self.middleware.spider_opened(self.crawler.spider)

    async def ask(self, request: Request) -> Any:
        result = self.middleware.process_request(request)
        return await result if inspect.isawaitable(result) else result

    async def answer(self, request: Request, response: Response) -> Any:
        result = self.middleware.process_response(request, response)
        return await result if inspect.isawaitable(result) else result

    async def fetch(self, request: Request, response: Response) -> Response:
        """One request through the cache; ``response`` is what the server would say."""
        cached = await self.ask(request)
        result = await self.answer(request, response if cached is None else cached)
        assert isinstance(result, Response)
        return result

    def close(self) -> None:
        self.middleware.spider_closed(self.crawler.spider)

    @property
    def stats(self) -> dict[str, Any]:
        return {key.removeprefix("httpcache/"): value for key, value in self.crawler.stats.get_stats().items()}


def page(body: bytes = b"<html>old</html>", status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HtmlResponse(URL, status=status, body=body, headers={"Content-Type": "text/html", **named})


def date(offset_s: float = 0) -> str:
    return formatdate(time.time() + offset_s, usegmt=True)


# storages


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("use_gzip", [False, True])
async def test_what_is_stored_comes_back(tmp_path: Any, storage: Any, use_gzip: bool) -> None:
    cache = Cache(tmp_path, storage=storage, HTTPCACHE_GZIP=use_gzip)
    first = await cache.fetch(Request(URL), page(Set_Cookie="a=b"))
    assert first.flags == []
    cache.close()
    cache = Cache(tmp_path, storage=storage, HTTPCACHE_GZIP=use_gzip)
    second = await cache.fetch(Request(URL), page(b"new"))
    assert isinstance(second, HtmlResponse)
    assert (second.url, second.status, second.body, second.flags) == (URL, 200, b"<html>old</html>", ["cached"])
    assert second.headers == first.headers
    assert cache.stats == {"hit": 1}
    cache.close()


@pytest.mark.parametrize("storage", STORAGES)
async def test_keys_differ_by_request(tmp_path: Any, storage: Any) -> None:
    cache = Cache(tmp_path, storage=storage)
    await cache.fetch(Request(URL), page())
    for request in (Request(URL + "2"), Request(URL, method="POST"), Request(URL, method="POST", body=b"x")):
        assert await cache.ask(request) is None
    cache.close()


@pytest.mark.parametrize("storage", STORAGES)
async def test_expiration(tmp_path: Any, storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path, storage=storage, HTTPCACHE_EXPIRATION_SECS=100)
    await cache.fetch(Request(URL), page())
    assert await cache.ask(Request(URL)) is not None
    later = time.time() + 101
    monkeypatch.setattr("raycrawl.extensions.httpcachestorage.time", lambda: later)
    assert await cache.ask(Request(URL)) is None
    cache.close()


async def test_a_damaged_file_is_a_miss(tmp_path: Any) -> None:
    cache = Cache(tmp_path)
    await cache.fetch(Request(URL), page())
    (stored,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    stored.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert await cache.ask(Request(URL)) is None
    assert cache.stats["retrieve_error"] == 1


# middleware


async def test_stats_of_a_first_fetch(tmp_path: Any) -> None:
    cache = Cache(tmp_path)
    await cache.fetch(Request(URL), page())
    assert cache.stats == {"miss": 1, "firsthand": 1, "store": 1}


async def test_dont_cache(tmp_path: Any) -> None:
    cache = Cache(tmp_path)
    await cache.fetch(Request(URL), page())
    assert await cache.ask(Request(URL, meta={"dont_cache": True})) is None
    await cache.fetch(Request(URL + "2", meta={"dont_cache": True}), page())
    assert await cache.ask(Request(URL + "2")) is None


async def test_ignore_missing(tmp_path: Any) -> None:
    cache = Cache(tmp_path, HTTPCACHE_IGNORE_MISSING=True)
    with pytest.raises(IgnoreRequest, match="not in cache"):
        await cache.ask(Request(URL))
    assert cache.stats == {"miss": 1, "ignore": 1}


async def test_a_missing_date_is_added(tmp_path: Any) -> None:
    response = await Cache(tmp_path).fetch(Request(URL), page())
    assert rfc1123_to_epoch(response.headers["Date"]) == pytest.approx(time.time(), abs=5)


async def test_errors_are_answered_from_the_cache(tmp_path: Any) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    await cache.fetch(Request(URL), page(Cache_Control="max-age=0", ETag="x"))
    request = Request(URL)
    assert await cache.ask(request) is None
    assert cache.middleware.process_exception(Request(URL), DownloadTimeoutError()) is None
    recovered = cache.middleware.process_exception(request, DownloadTimeoutError())
    assert isinstance(recovered, Response)
    assert recovered.body == b"<html>old</html>"
    assert cache.stats["errorrecovery"] == 1
    assert "cached_response" not in request.meta


def test_needs_its_setting() -> None:
    with pytest.raises(NotConfigured):
        HttpCacheMiddleware.from_crawler(get_crawler())


async def test_children_of_a_cached_private_page_may_be_private(tmp_path: Any) -> None:
    import ipaddress

    cache = Cache(tmp_path)
    response = page()
    response.ip_address = ipaddress.ip_address("127.0.0.1")
    await cache.fetch(Request(URL), response)
    request = Request(URL)
    cached = await cache.ask(request)
    assert str(cached.ip_address) == "127.0.0.1"
    assert request.meta["_private_ok"] is True


# dummy policy


async def test_dummy_policy(tmp_path: Any) -> None:
    cache = Cache(tmp_path, HTTPCACHE_IGNORE_HTTP_CODES=[404], HTTPCACHE_IGNORE_SCHEMES=["https"])
    await cache.fetch(Request(URL), page(status=404))
    assert await cache.ask(Request(URL)) is None
    assert cache.stats["uncacheable"] == 1
    secure = Request("https://a.com/")
    await cache.fetch(secure, page())
    assert "_dont_cache" not in secure.meta
    assert await cache.ask(Request("https://a.com/")) is None
    await cache.fetch(Request(URL), page())
    assert await cache.ask(Request(URL, meta={"refresh_cache": True})) is None
    response = await cache.fetch(Request(URL, meta={"refresh_cache": True}), page(b"new"))
    assert response.body == b"new"
    assert cache.stats["invalidate"] == 1


# RFC 9111


@pytest.mark.parametrize(
    ("status", "headers", "is_stored"),
    [
        (200, {}, False),
        (200, {"Cache_Control": "max-age=100"}, True),
        (200, {"Cache_Control": "no-store, max-age=100"}, False),
        (200, {"Cache_Control": "private"}, False),
        (200, {"Expires": date(100)}, True),
        (200, {"ETag": "x"}, True),
        (200, {"Last_Modified": date(-100)}, True),
        (203, {"ETag": "x"}, True),
        (404, {"ETag": "x"}, False),
        (404, {"Cache_Control": "max-age=100"}, True),
        (301, {}, True),
        (308, {}, True),
        (302, {}, False),
        (304, {"Cache_Control": "max-age=100"}, False),
        (200, {"Cache_Control": "max-age=100", "Vary": "*"}, False),
    ],
)
async def test_what_is_stored(tmp_path: Any, status: int, headers: dict[str, str], is_stored: bool) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    await cache.fetch(Request(URL), page(status=status, **headers))
    assert cache.stats.get("store", 0) == is_stored
    always = Cache(tmp_path / "always", RFC2616Policy, HTTPCACHE_ALWAYS_STORE=True)
    await always.fetch(Request(URL), page(status=status, **headers))
    assert always.stats.get("store", 0) == (status != 304 and "no-store" not in headers.get("Cache_Control", ""))


@pytest.mark.parametrize(
    ("headers", "wanted", "is_fresh"),
    [
        ({"Cache_Control": "max-age=100"}, {}, True),
        ({"Cache_Control": "max-age=0"}, {}, False),
        ({"Cache_Control": "max-age=-5"}, {}, False),
        ({"Cache_Control": "no-cache, max-age=100"}, {}, False),
        ({"Cache_Control": "max-age=100", "Date": -200}, {}, False),
        ({"Cache_Control": "max-age=100", "Age": "150"}, {}, False),
        ({"Cache_Control": "max-age=1000", "Expires": -100}, {}, True),
        ({"Expires": 100}, {}, True),
        ({"Expires": -100}, {}, False),
        ({"Expires": "0"}, {}, False),
        ({"Last_Modified": -10_000}, {}, True),
        ({"Last_Modified": -10_000, "Date": -2000}, {}, False),
        ({"ETag": "x"}, {}, False),
        ({"Cache_Control": "max-age=100"}, {"Cache-Control": "no-cache"}, False),
        ({"Cache_Control": "max-age=100", "Date": -50}, {"Cache-Control": "max-age=10"}, False),
        ({"Cache_Control": "max-age=100", "Date": -50}, {"Cache-Control": "min-fresh=60"}, False),
        ({"Cache_Control": "max-age=10", "Date": -50}, {"Cache-Control": "max-stale"}, True),
        ({"Cache_Control": "max-age=10", "Date": -50}, {"Cache-Control": "max-stale=100"}, True),
        ({"Cache_Control": "max-age=10", "Date": -50}, {"Cache-Control": "max-stale=5"}, False),
        ({"Cache_Control": "max-age=10, must-revalidate", "Date": -50}, {"Cache-Control": "max-stale"}, False),
    ],
)
async def test_freshness(tmp_path: Any, headers: dict[str, str | int], wanted: dict[str, str], is_fresh: bool) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    # Dates are seconds from now: from when the test runs, not from when the tests were collected.
    sent = {name: date(value) if isinstance(value, int) else value for name, value in headers.items()}
    await cache.fetch(Request(URL), page(**sent))
    assert (await cache.ask(Request(URL, headers=wanted)) is not None) is is_fresh


async def test_validation(tmp_path: Any) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    modified = date(-100)
    await cache.fetch(Request(URL), page(Cache_Control="max-age=0", ETag='"v1"', Last_Modified=modified))
    request = Request(URL)
    assert await cache.ask(request) is None
    assert request.headers["If-None-Match"] == b'"v1"'
    assert request.headers["If-Modified-Since"] == modified.encode()
    not_modified = Response(URL, status=304, headers={"Cache-Control": "max-age=1000", "Date": date()})
    response = await cache.answer(request, not_modified)
    assert (response.status, response.body, response.flags) == (200, b"<html>old</html>", ["cached"])
    assert cache.stats["revalidate"] == 1
    assert await cache.ask(Request(URL)) is not None  # the 304 made it fresh again


@pytest.mark.parametrize(("directive", "is_kept"), [("max-age=0", True), ("max-age=0, must-revalidate", False)])
async def test_a_servers_error_is_answered_from_the_cache(tmp_path: Any, directive: str, is_kept: bool) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    await cache.fetch(Request(URL), page(Cache_Control=directive))
    response = await cache.fetch(Request(URL), page(b"broken", status=503))
    assert (response.status == 200) is is_kept


async def test_a_new_version_replaces_the_old(tmp_path: Any) -> None:
    cache = Cache(tmp_path, RFC2616Policy)
    await cache.fetch(Request(URL), page(Cache_Control="max-age=0"))
    assert (await cache.fetch(Request(URL), page(b"new", Cache_Control="max-age=100"))).body == b"new"
    assert (await cache.fetch(Request(URL), page(b"newer"))).body == b"new"
    assert cache.stats["invalidate"] == 1


async def test_requests_and_directives_that_are_not_for_the_cache(tmp_path: Any) -> None:
    cache = Cache(tmp_path, RFC2616Policy, HTTPCACHE_IGNORE_SCHEMES=["https"])
    await cache.fetch(Request(URL, headers={"Cache-Control": "no-store"}), page(Cache_Control="max-age=100"))
    await cache.fetch(Request("https://a.com/"), page(Cache_Control="max-age=100"))
    assert "store" not in cache.stats
    cache = Cache(tmp_path, RFC2616Policy, HTTPCACHE_IGNORE_RESPONSE_CACHE_CONTROLS=["no-store", "no-cache"])
    await cache.fetch(Request(URL), page(Cache_Control="no-store, no-cache, max-age=100"))
    assert cache.stats["store"] == 1
    assert await cache.ask(Request(URL)) is not None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", {}),
        (b"public", {b"public": None}),
        (b'no-store="foo" , PRIVATE,max-age = 5', {b"no-store": b"foo", b"private": None, b"max-age": b"5"}),
        (b",,", {}),
    ],
)
def test_parse_cachecontrol(header: bytes, expected: dict[bytes, Any]) -> None:
    assert parse_cachecontrol(header) == expected


@pytest.mark.parametrize(("text", "expected"), [(b"Thu, 01 Jan 1970 00:01:00 GMT", 60), (b"never", None), (None, None)])
def test_rfc1123_to_epoch(text: bytes | None, expected: int | None) -> None:
    assert rfc1123_to_epoch(text) == expected
