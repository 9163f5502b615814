"""``Selector`` and ``SelectorList``."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import raycrawl
from raycrawl.http import HtmlResponse, JsonResponse, Response, TextResponse, XmlResponse
from raycrawl.selector import Selector, SelectorList

HTML = b'<p class="a">hi <b>x</b></p><p>two</p>'


@pytest.mark.parametrize(
    ("cls", "body", "kind"),
    [
        (HtmlResponse, HTML, "html"),
        (HtmlResponse, b'{"a": 1}', "html"),
        (XmlResponse, b"<a><b>1</b></a>", "xml"),
        (JsonResponse, b'{"a": 1}', "json"),
        (JsonResponse, b"{broken", "json"),
        (TextResponse, b'{"a": 1}', "json"),
        (TextResponse, b"[1]", "json"),
        (TextResponse, b"1", "html"),
        (TextResponse, b"<p>x</p>", "html"),
        (TextResponse, b"", "html"),
    ],
)
def test_the_type_comes_from_the_response(cls: type[TextResponse], body: bytes, kind: str) -> None:
    response = cls("http://e.com/", body=body, encoding="utf-8")
    selector = Selector(response)
    assert selector.type == kind
    assert selector.response is response
    assert response.selector.type == kind


def test_from_text() -> None:
    assert Selector(text="<p>x</p>").type == "html"
    assert Selector(text='{"a": 1}').type == "html"
    assert Selector(text='{"a": 1}', type="json").jmespath("a").get() == 1
    assert Selector(text="<a/>", type="xml").get() == "<a/>"
    response = Selector(text="<p>é</p>").response
    assert isinstance(response, HtmlResponse)
    assert (response.url, response.text) == ("about:blank", "<p>é</p>")
    assert isinstance(Selector(text="<a/>", type="xml").response, XmlResponse)


def test_wrong_arguments() -> None:
    response = HtmlResponse("http://e.com", body=HTML)
    with pytest.raises(ValueError, match="both response and text"):
        Selector(response, text="x")
    with pytest.raises(ValueError, match="needs"):
        Selector()
    with pytest.raises(ValueError, match="Invalid type"):
        Selector(response, type="pdf")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        Selector(Response("http://e.com", body=b"x"))  # type: ignore[arg-type]


def test_queries() -> None:
    selector = Selector(HtmlResponse("http://e.com/", body=HTML))
    assert isinstance(selector.css("p"), SelectorList)
    assert isinstance(selector.css("p")[0], Selector)
    assert isinstance(selector.css("p")[:1], SelectorList)
    assert selector.css("p")[0].response is None
    assert selector.css("p::text").getall() == ["hi ", "two"]
    assert selector.css("p").xpath("./b/text()").get() == "x"
    assert selector.xpath("//p[@class=$c]/b/text()", c="a").extract_first() == "x"
    assert selector.css("p").attrib == {"class": "a"}
    assert selector.css("nope").get() is None
    assert selector.css("nope").get("d") == "d"
    assert selector.css("p::text").re(r"t(\w+)") == ["wo"]
    assert selector.css("p").re_first(r"two") == "two"
    assert selector.css("p::text").extract() == selector.xpath("//p/text()").getall()
    with pytest.raises(ValueError, match="XPath"):
        selector.xpath("//[")


def test_drop_namespaces_and_root() -> None:
    selector = Selector(text=HTML.decode())
    selector.css("b").drop()
    assert selector.css("p").get() == '<p class="a">hi </p>'
    atom = Selector(text='<feed xmlns="http://n"><link/></feed>', type="xml")
    assert not atom.xpath("//link")
    atom.register_namespace("n", "http://n")
    assert atom.xpath("//n:link")
    atom.remove_namespaces()
    assert atom.xpath("//link")
    assert Selector(root=selector.root, type="html").css("p")


def test_jmespath() -> None:
    response = JsonResponse("http://e.com", body=b'{"a": [{"b": "x"}, {"b": "y"}]}')
    assert response.jmespath("a[].b").getall() == ["x", "y"]
    script = HtmlResponse("http://e.com", body=b'<script>{"a": 1}</script>')
    assert script.css("script::text").jmespath("a").getall() == [1]
    with pytest.raises(ValueError, match="json"):
        response.css("p")


def test_odd_documents() -> None:
    assert Selector(HtmlResponse("http://e.com")).get() == "<html></html>"
    assert Selector(HtmlResponse("http://e.com", body=b"a\x00b<p>c")).css("p::text").get() == "c"
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    assert "root:" not in Selector(text=entity, type="xml").get()
    assert Selector(HtmlResponse("http://e.com/ü", body=HTML)).css("b::text").get() == "x"
    with pytest.raises(TypeError):
        pickle.dumps(Selector(text="x"))


def test_the_top_level_name() -> None:
    selector: Any = raycrawl.Selector(text="<p>x</p>")
    assert selector.css("p::text").get() == "x"
