"""The Referer header: every policy, where a policy comes from, and what never leaves."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest

from raycrawl.core.spidermw import SpiderMiddlewareManager
from raycrawl.exceptions import NotConfigured, ScrapyDeprecationWarning
from raycrawl.http import Request, Response
from raycrawl.settings import Settings
from raycrawl.spidermiddlewares import referer as referer_module
from raycrawl.spidermiddlewares.referer import (
    DefaultReferrerPolicy,
    NoReferrerPolicy,
    OriginPolicy,
    RefererMiddleware,
    ReferrerPolicy,
    UnsafeUrlPolicy,
)
from raycrawl.utils.test import get_crawler

FULL, ORIGIN = "https://a.example/x?q=1", "https://a.example/"
SAME, CROSS, DOWN = "https://a.example/y", "https://b.example/y", "http://a.example/y"


def page(url: str = "http://a.example/x", header: str | None = None) -> Response:
    return Response(url, headers={"Referrer-Policy": header} if header is not None else None, request=Request(url))


def told(response: Response, target: str, meta: Any = None, **settings: Any) -> str | None:
    """The Referer that a request gets, by the method and by the fused step, which have to agree."""
    answers = []
    for way in ("method", "step"):
        middleware = RefererMiddleware(Settings(settings))
        request = Request(target, meta=meta)
        if way == "method":
            list(middleware.process_spider_output(response, [request]))
        else:
            step = middleware.request_step(response)
            assert step is not None
            step(request)
        value = request.headers.get("Referer")
        answers.append(value.decode() if value is not None else None)
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize(
    ("policy", "same", "cross", "down"),
    [
        ("no-referrer", None, None, None),
        ("no-referrer-when-downgrade", FULL, FULL, None),
        ("same-origin", FULL, None, None),
        ("origin", ORIGIN, ORIGIN, ORIGIN),
        ("strict-origin", ORIGIN, ORIGIN, None),
        ("origin-when-cross-origin", FULL, ORIGIN, ORIGIN),
        ("strict-origin-when-cross-origin", FULL, ORIGIN, None),
        ("unsafe-url", FULL, FULL, FULL),
        ("scrapy-default", FULL, FULL, None),
    ],
)
def test_the_policies_on_an_encrypted_page(policy: str, same: Any, cross: Any, down: Any) -> None:
    response = page("https://user:secret@a.example:443/x?q=1#part")
    got = [told(response, target, REFERRER_POLICY=policy) for target in (SAME, CROSS, DOWN)]
    assert got == [same, cross, down]


@pytest.mark.parametrize("policy", ["strict-origin", "no-referrer-when-downgrade", "strict-origin-when-cross-origin"])
def test_a_plain_page_cannot_be_downgraded(policy: str) -> None:
    assert told(page("http://a.example/x"), "http://b.example/", REFERRER_POLICY=policy)


@pytest.mark.parametrize("target", ["http://a.example:80/y", "http://a.example/y"])
def test_a_default_port_is_the_same_origin(target: str) -> None:
    assert told(page("http://a.example:80/x"), target, REFERRER_POLICY="same-origin") == "http://a.example/x"


@pytest.mark.parametrize("target", ["http://a.example:8080/y", "https://a.example/y", "http://www.a.example/y"])
def test_another_port_scheme_or_host_is_another_origin(target: str) -> None:
    assert told(page("http://a.example/x"), target, REFERRER_POLICY="same-origin") is None


@pytest.mark.parametrize(
    ("url", "default", "unsafe"),
    [
        ("file:///etc/passwd", None, "file:///etc/passwd"),
        ("s3://bucket/key", None, "s3://bucket/key"),
        ("data:,x", None, None),
        ("ftp://a.example/x", "ftp://a.example/x", "ftp://a.example/x"),
    ],
)
def test_pages_of_other_schemes(url: str, default: str | None, unsafe: str | None) -> None:
    assert told(page(url), "http://b.example/") == default
    assert told(page(url), "http://b.example/", REFERRER_POLICY="unsafe-url") == unsafe


def test_credentials_and_fragments_never_leave() -> None:
    for policy in RefererMiddleware().policies:
        for target in (SAME, CROSS, DOWN):
            answer = told(page("https://user:secret@a.example/x#part"), target, REFERRER_POLICY=policy or "no-referrer")
            assert not any(word in (answer or "") for word in ("user", "secret", "part"))


def test_one_page_with_links_to_many_origins() -> None:
    middleware = RefererMiddleware(Settings({"REFERRER_POLICY": "same-origin"}))
    step = middleware.request_step(page("http://a.example/x"))
    assert step is not None
    urls = [
        "http://a.example/1",
        "http://a.exampl/1",
        "http://a.example",
        "http://a.example?q=/",
        "http://a.example.b/1",
    ]
    got = [step(Request(url)).headers.get("Referer") for url in urls * 2]
    assert [value is not None for value in got] == [True, False, True, True, False] * 2


class TestWhereThePolicyComesFrom:
    def test_a_header_of_the_user_stays(self) -> None:
        request = Request("http://b.example/", headers={"Referer": "mine"})
        list(RefererMiddleware().process_spider_output(page(), [request]))
        assert request.headers.getlist("Referer") == [b"mine"]

    def test_start_requests_have_none(self) -> None:
        request = Request("http://b.example/")
        assert list(RefererMiddleware().process_spider_output(None, [request])) == [request]
        assert "Referer" not in request.headers

    def test_meta_before_header_before_setting(self) -> None:
        cross = "http://b.example/"
        assert told(page(header="origin"), cross, REFERRER_POLICY="unsafe-url") == "http://a.example/"
        assert told(page(header="origin"), cross, {"referrer_policy": "no-referrer"}) is None

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("ORIGIN ", "http://a.example/"),
            ("no-referrer, origin", "http://a.example/"),
            ("origin, no-referrer", None),
            ("origin, from-the-future", "http://a.example/"),
            ("", "http://a.example/x"),
        ],
    )
    def test_headers_as_servers_send_them(self, header: str, expected: str | None) -> None:
        assert told(page(header=header), "http://b.example/") == expected

    def test_classes_and_import_paths_of_the_user(self) -> None:
        path = "raycrawl.spidermiddlewares.referer.OriginPolicy"
        for value in (path, OriginPolicy):
            assert told(page(), "http://b.example/", REFERRER_POLICY=value) == "http://a.example/"
            assert told(page(), "http://b.example/", {"referrer_policy": value}) == "http://a.example/"

    @pytest.mark.parametrize(
        "header",
        ["raycrawl.spidermiddlewares.referer.OriginPolicy", "sys.exit", "os.system", "antigravity.fly", "x" * 9000],
    )
    def test_a_header_is_data_and_never_imported(self, header: str) -> None:
        before = set(sys.modules)
        with pytest.warns(RuntimeWarning, match="Could not load referrer policy"):
            assert told(page(header=header), "http://b.example/") == "http://a.example/x"
        assert "antigravity" not in set(sys.modules) - before

    async def test_a_bad_header_is_said_once_a_page(self) -> None:
        manager = SpiderMiddlewareManager.from_crawler(get_crawler())
        links = [Request(f"http://a.example/{n}") for n in range(50)]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            response = page(header="nonsense")
            list(await manager.scrape_response_async(lambda *_: links, response, response.request))  # type: ignore[arg-type]
        assert len([one for one in said if one.category is RuntimeWarning]) == 1
        assert all(link.headers["Referer"] == b"http://a.example/x" for link in links)

    def test_an_unknown_name_in_meta_is_said(self) -> None:
        with pytest.warns(RuntimeWarning, match="nonsense"):
            assert told(page(), "http://b.example/", {"referrer_policy": "nonsense"}) == "http://a.example/x"

    def test_an_unknown_name_in_the_settings_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="nonsense"):
            RefererMiddleware(Settings({"REFERRER_POLICY": "nonsense"}))

    def test_policies_of_the_user(self) -> None:
        class Mine(ReferrerPolicy):
            name = "mine"

            def referrer(self, response_url: str, request_url: str) -> str | None:
                return f"{request_url}!"

        policies = {"mine": Mine, "origin": None, "other": "raycrawl.spidermiddlewares.referer.NoReferrerPolicy"}
        assert told(page(header="mine"), "http://b.example/1", REFERRER_POLICIES=policies) == "http://b.example/1!"
        assert told(page(header="other"), "http://b.example/1", REFERRER_POLICIES=policies) is None
        with pytest.warns(RuntimeWarning, match="origin"):
            assert told(page(header="origin"), "http://b.example/", REFERRER_POLICIES=policies) == "http://a.example/x"

    def test_its_answer_may_depend_on_the_whole_target(self) -> None:
        class Mine(OriginPolicy):
            def referrer(self, response_url: str, request_url: str) -> str | None:
                return request_url

        step = RefererMiddleware(Settings({"REFERRER_POLICY": Mine})).request_step(page())
        assert step is not None
        assert [step(Request(f"http://b.example/{n}")).headers["Referer"] for n in "12"] == [
            b"http://b.example/1",
            b"http://b.example/2",
        ]


class TestPolicyMethod:
    def test_gives_an_instance(self) -> None:
        middleware = RefererMiddleware()
        assert isinstance(middleware.policy(page(), Request(CROSS)), DefaultReferrerPolicy)
        assert isinstance(middleware.policy(page(header="unsafe-url"), Request(CROSS)), UnsafeUrlPolicy)

    def test_a_url_instead_of_a_response_is_deprecated(self) -> None:
        with pytest.warns(ScrapyDeprecationWarning):
            assert isinstance(RefererMiddleware().policy("http://a.example/", Request(CROSS)), DefaultReferrerPolicy)

    def test_needs_a_response(self) -> None:
        with pytest.raises(TypeError):
            RefererMiddleware().policy(None, Request(CROSS))

    def test_an_overridden_one_is_obeyed(self) -> None:
        class Mine(RefererMiddleware):
            def policy(self, response: Any = None, request: Any = None, **kwargs: Any) -> ReferrerPolicy:
                return NoReferrerPolicy()

        step = Mine().request_step(page())
        assert step is not None
        assert "Referer" not in step(Request(SAME)).headers


class TestRedirects:
    """A Downloader has no spider middlewares, but a redirected request has a policy to follow."""

    def redirected(self, headers: dict[str, str], url: str = "http://a.example/r", **settings: Any) -> Request:
        from raycrawl.downloadermiddlewares.redirect import RedirectMiddleware

        crawler = get_crawler(settings_dict=settings)
        setattr(crawler, "process", "downloader")  # noqa: B010
        request = Request(url, headers={"Referer": "http://a.example/page?q=secret"})
        result = RedirectMiddleware.from_crawler(crawler).process_response(
            request, Response(url, status=302, headers=headers, request=request)
        )
        assert isinstance(result, Request)
        return result

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("scrapy-default", b"http://a.example/r"),
            ("origin-when-cross-origin", b"http://a.example/"),
            ("same-origin", None),
        ],
    )
    def test_the_redirecting_page_is_told_of_as_the_policy_says(self, policy: str, expected: bytes | None) -> None:
        request = self.redirected({"Location": "http://b.example/"}, REFERRER_POLICY=policy)
        assert request.headers.get("Referer") == expected

    def test_the_redirects_own_policy_counts(self) -> None:
        request = self.redirected({"Location": "/y", "Referrer-Policy": "no-referrer"})
        assert request.headers.get("Referer") is None

    def test_none_when_it_is_off(self) -> None:
        assert self.redirected({"Location": "/y"}, REFERER_ENABLED=False).headers.get("Referer") is None
        path = "raycrawl.spidermiddlewares.referer.RefererMiddleware"
        request = self.redirected({"Location": "/y"}, SPIDER_MIDDLEWARES={path: None})
        assert request.headers.get("Referer") is None


def test_it_can_be_switched_off() -> None:
    with pytest.raises(NotConfigured):
        RefererMiddleware.from_crawler(get_crawler(settings_dict={"REFERER_ENABLED": False}))


def test_helpers_of_policies() -> None:
    policy = DefaultReferrerPolicy()
    assert policy.stripped_referrer("http://u:p@a.example:80/x#f") == "http://a.example/x"
    assert policy.origin_referrer("http://u:p@a.example:8080/x#f") == "http://a.example:8080/"
    assert policy.origin("https://a.example/x") == "https://a.example/"
    assert policy.strip_url("http://a.example/x?y#z", origin_only=True) == "http://a.example/"
    assert policy.strip_url("") is None
    assert [policy.tls_protected(url) for url in ("https://x/", "ftps://x/", "http://x/")] == [True, True, False]
    assert [policy.potentially_trustworthy(url) for url in ("https://x/", "data:,", "http://x/")] == [
        True,
        False,
        False,
    ]


def test_the_names_of_the_policies() -> None:
    names = {value for key, value in vars(referer_module).items() if key.startswith("POLICY_")}
    assert names == set(RefererMiddleware().policies) - {""}
