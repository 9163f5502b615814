"""What keeps requests out of the frontier."""

from __future__ import annotations

from typing import Any

from raycrawl import Request, Spider, signals
from raycrawl.actors.admission import Admission, is_scheduled
from raycrawl.exceptions import IgnoreRequest
from raycrawl.utils.test import get_crawler


class Sole(Spider):
    name = "sole"
    allowed_domains = ["a.example"]


class Log:
    """The forwarding half of an EventLog."""

    def __init__(self, *forwarded: str) -> None:
        self.forwarded = frozenset(forwarded)
        self.carried: list[tuple[str, Any]] = []

    def carry(self, name: str, **kwargs: Any) -> None:
        self.carried.append((name, kwargs["request"].url))


def test_offsite_requests_stay_out_and_are_counted() -> None:
    crawler = get_crawler(Sole)
    admission = Admission(crawler, Log())  # type: ignore[arg-type]
    assert not admission.is_offsite(Request("http://a.example/"))
    assert not admission.is_offsite(Request("http://b.example/", dont_filter=True))
    assert admission.is_offsite(Request("http://b.example/"))
    assert admission.is_offsite(Request("http://b.example/2"))
    assert crawler.stats.get_stats() == {"offsite/domains": 1, "offsite/filtered": 2}


def test_without_the_middleware_nothing_is_offsite() -> None:
    path = "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware"
    crawler = get_crawler(Sole, {"DOWNLOADER_MIDDLEWARES": {path: None}})
    assert not Admission(crawler, Log()).is_offsite(Request("http://b.example/"))  # type: ignore[arg-type]


def test_a_handler_of_request_scheduled_may_refuse() -> None:
    crawler = get_crawler(Sole)
    heard = []

    def refuse(request: Request, spider: Spider) -> None:
        heard.append(request.url)
        if request.url.endswith("/no"):
            raise IgnoreRequest("no")

    crawler.signals.connect(refuse, signals.request_scheduled)
    log = Log("request_scheduled")
    admission = Admission(crawler, log)  # type: ignore[arg-type]
    assert admission.is_scheduled(Request("http://a.example/yes"))
    assert not admission.is_scheduled(Request("http://a.example/no"))
    assert not is_scheduled(Request("http://a.example/x/no"), crawler, log)  # type: ignore[arg-type]
    assert heard == ["http://a.example/yes", "http://a.example/no", "http://a.example/x/no"]
    assert log.carried == [("request_scheduled", url) for url in heard]
