"""``Shell`` and ``inspect_response``."""

from __future__ import annotations

import asyncio
import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import raycrawl
from raycrawl.http import HtmlResponse, Request, Response
from raycrawl.shell import Shell, inspect_response
from raycrawl.utils.test import get_crawler

PAGE = HtmlResponse("http://e.com/", body=b"<p>hi</p>", request=Request("http://e.com/"))


def test_code_is_evaluated_with_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    crawler = get_crawler()
    shell = Shell(
        crawler, update_vars=lambda variables: variables.update(extra=1), code="response.css('p::text').get()"
    )
    shell.start(response=PAGE)
    assert capsys.readouterr().out == "hi\n"
    assert shell.vars["response"] is PAGE
    assert shell.vars["request"] is PAGE.request
    assert shell.vars["spider"] is crawler.spider
    assert shell.vars["scrapy"] is raycrawl
    assert shell.vars["extra"] == 1
    assert {"crawler", "item", "settings", "view", "shelp"} <= set(shell.vars)
    assert "fetch" not in shell.vars


def test_fetch() -> None:
    requests: list[Request] = []

    async def download_async(request: Request) -> Response:
        requests.append(request)
        return PAGE.replace(url=request.url)

    crawler = get_crawler()
    crawler.engine = SimpleNamespace(download_async=download_async)
    loop = asyncio.new_event_loop()
    try:
        shell = Shell(crawler, loop=loop)
        shell.fetch("e.com/x")
        assert shell.vars["response"].url == "http://e.com/x"
        assert 404 in requests[0].meta["handle_httpstatus_list"]
        shell.vars["fetch"]("http://e.com/y", redirect=False)
        assert requests[1].meta == {"dont_redirect": True, "handle_httpstatus_all": True, "is_start_request": True}
        shell.fetch(Request("http://e.com/z", method="POST"))
        assert (requests[2].method, shell.vars["request"]) == ("POST", requests[2])
        assert "fetch(url" in shell.get_help()
    finally:
        loop.close()


def test_no_fetch_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="fetch"):
        Shell(get_crawler()).fetch("http://e.com")


def test_the_help_names_objects_but_shows_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(get_crawler(settings_dict={"HTTPAUTH_PASS": "sesame"}))
    shell.populate_vars(PAGE, PAGE.request)
    shell.vars["shelp"]()
    text = capsys.readouterr().out
    assert "<200 http://e.com/>" in text
    assert "view(response)" in text
    assert "sesame" not in text


def test_the_console_gets_the_variables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SCRAPY_PYTHON_SHELL", "python")
    lines = iter(["print(response.url, spider.name)"])

    def read(prompt: str = "") -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    terminal: Any = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    crawler = get_crawler()
    assert crawler.spider is not None
    inspect_response(PAGE, crawler.spider)
    assert "http://e.com/ default" in capsys.readouterr().out


def test_inspect_response_needs_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    crawler = get_crawler()
    assert crawler.spider is not None
    with pytest.raises(RuntimeError, match="terminal"):
        inspect_response(PAGE, crawler.spider)
