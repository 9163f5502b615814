"""Documents that are nested deeper than libxml2 reads: nothing behind its limit is lost."""

from __future__ import annotations

import logging
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from raycrawl import Selector
from raycrawl.http import HtmlResponse, XmlResponse
from raycrawl.linkextractors import LinkExtractor
from raycrawl.selector.deep import DEEPEST, flattened, is_cut

DEPTH = 5000


def page(body: str) -> HtmlResponse:
    return HtmlResponse("http://example.com/d/", body=body.encode(), encoding="utf-8")


DOCUMENTS = {
    "closed": f"<a href=1>1</a>{'<div>' * DEPTH}<a href=2>2</a>{'</div>' * DEPTH}<a href=3>3</a>",
    "unclosed": f"<a href=1>1</a>{'<font>' * DEPTH}<a href=2>2</a><p><a href=3>3</a>",
    "a link a level": "".join(f"<span><a href={number}>{number}</a>" for number in range(1, 4001)),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_behind_the_limit_are_found(name: str, caplog: pytest.LogCaptureFixture) -> None:
    response = page(DOCUMENTS[name])
    count = 4000 if name == "a link a level" else 3
    numbers = [str(number) for number in range(1, count + 1)]
    assert [link.url.rpartition("/")[2] for link in LinkExtractor().extract_links(response)] == numbers
    assert response.css("a::text").getall() == response.xpath("//a/text()").getall() == numbers
    assert response.flags == ["parser_truncated"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "http://example.com/d/" in record.getMessage()


def test_selector_of_a_text_reads_on_too(caplog: pytest.LogCaptureFixture) -> None:
    assert len(Selector(text=DOCUMENTS["closed"]).css("a")) == 3
    assert len(caplog.records) == 1


def test_xml_that_is_cut_is_said(caplog: pytest.LogCaptureFixture) -> None:
    body = f"<r>{'<a>' * DEPTH}<b/>{'</a>' * DEPTH}</r>".encode()
    response = XmlResponse("http://example.com/", body=body)
    assert response.xpath("//b").getall() == []
    assert response.flags == ["parser_truncated"]
    assert "is lost" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        "<p>small</p>",
        "<div>" * 1900 + "<a href=1>1</a>",
        "<p><a href=1>x</a></p>" * 20_000,
        "<ul>" + "<li>" * 20_000,
        "a < b " * 20_000,
    ],
    ids=["small", "just not", "long", "list", "no tags"],
)
def test_other_documents_are_left_alone(body: str, caplog: pytest.LogCaptureFixture) -> None:
    response = page(body)
    response.css("a")
    assert response.flags == []
    assert caplog.records == []


def test_flattened_document_keeps_text_attributes_and_kind_of_elements() -> None:
    body = "<p class=x>before" + "<i>" * DEPTH + "<b id=y>deep</b> tail" + "</i>" * DEPTH + "</p>after"
    root = flattened(body, "http://example.com/")
    assert root.text_content() == "beforedeep tailafter"
    assert isinstance(root, html.HtmlElement)
    assert root.getroottree().docinfo.URL == "http://example.com/"
    assert root.xpath("//b[@id='y']/text()") == ["deep"]
    depth = deepest = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    assert deepest == DEEPEST + 1


PIECES = ["<a href=1>", "</a>", "<div>", "</div>", "<b>", "</b>", "<p>", "text", "<!--c-->", "<br>"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(PIECES)))
def test_flattening_what_is_not_deep_changes_nothing(parts: list[str]) -> None:
    body = "<body>x" + "".join(parts)
    expected = html.document_fromstring(body)
    assert html.tostring(flattened(body, None)) == html.tostring(expected)


def test_looking_costs_next_to_nothing() -> None:
    text = "<div><p class=a>some words <a href='/x'>link</a></p></div>" * 280  # 16 KB
    root = Selector(text=text).root
    assert min(timeit.repeat(lambda: is_cut(root, text), number=100, repeat=5)) / 100 < 20e-6
