"""`FormRequest`: forms by hand, and forms as a browser submits them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from raycrawl.http import FormRequest, HtmlResponse, Request, TextResponse

PAGE_URL = "http://www.example.com/this/page.html"


def page(body: str, url: str = PAGE_URL, encoding: str = "utf-8") -> HtmlResponse:
    return HtmlResponse(url, body=body, encoding=encoding)


def submitted(body: str, **kwargs: Any) -> list[tuple[str, str]]:
    """The pairs that the form of ``body`` sends."""
    request = FormRequest.from_response(page(body), **kwargs)
    query = request.body.decode() if request.method == "POST" else request.url.partition("?")[2]
    return parse_qsl(query, keep_blank_values=True)


# -- by hand


def test_without_data_it_is_a_plain_request() -> None:
    for formdata in (None, {}, []):
        request = FormRequest("http://www.example.com", formdata=formdata)
        assert (request.method, request.body, request.headers) == ("GET", b"", {})


def test_data_makes_it_a_post() -> None:
    request = FormRequest("http://www.example.com", formdata={"one": "two", "price": "£ 100"})
    assert request.method == "POST"
    assert request.headers[b"Content-Type"] == b"application/x-www-form-urlencoded"
    assert request.body == b"one=two&price=%C2%A3+100"


@pytest.mark.parametrize(
    ("formdata", "body"),
    [
        ({"a": ["1", "2"]}, b"a=1&a=2"),
        ({"a": ("1", "2"), "b": iter(["3"])}, b"a=1&a=2&b=3"),
        ([("a", "1"), ("b", "2"), ("a", "3")], b"a=1&b=2&a=3"),
        ((("a", "b"),), b"a=b"),
        ({b"a": b"\xff"}, b"a=%FF"),
        ({"a&b": "c=d e"}, b"a%26b=c%3Dd+e"),
        ({"a": ""}, b"a="),
    ],
)
def test_data(formdata: Any, body: bytes) -> None:
    assert FormRequest("http://www.example.com", formdata=formdata).body == body


def test_data_in_an_encoding() -> None:
    request = FormRequest("http://www.example.com", formdata={"é": "µ"}, encoding="latin-1")
    assert request.body == b"%E9=%B5"
    assert request.encoding == "latin-1"


@pytest.mark.parametrize("value", [None, 1, 1.5])
def test_values_must_be_text(value: Any) -> None:
    with pytest.raises(TypeError, match="form field 'a'"):
        FormRequest("http://www.example.com", formdata={"a": value})


def test_get_puts_the_data_into_the_query() -> None:
    request = FormRequest("http://www.example.com/?id=9&a=0#frag", method="GET", formdata={"a": "1", "b": ["2", "3"]})
    assert request.url == "http://www.example.com/?a=1&b=2&b=3#frag"
    assert (request.method, request.body) == ("GET", b"")
    assert b"Content-Type" not in request.headers


def test_a_given_content_type_stays() -> None:
    request = FormRequest("http://a.com", formdata={"a": "b"}, headers={"content-type": "x"}, body="replaced")
    assert (request.headers["Content-Type"], request.body) == (b"x", b"a=b")


def test_replace() -> None:
    request = FormRequest("http://a.com", formdata={"a": "b"}).replace(formdata={"c": "d"})
    assert (type(request), request.body, request.method) == (FormRequest, b"c=d", "POST")
    assert FormRequest("http://a.com", formdata={"a": "b"}).replace(url="http://b.com").body == b"a=b"


# -- from a page: where and how

POST = '<form action="post.php" method="POST"><input type="hidden" name="a" value="1"><input name="b" value="2"></form>'


def test_post() -> None:
    request = FormRequest.from_response(page(POST), formdata={"b": "9", "c": ["x", "y"]})
    assert (request.method, request.url) == ("POST", "http://www.example.com/this/post.php")
    assert request.body == b"a=1&b=9&c=x&c=y"
    assert request.headers[b"Content-Type"] == b"application/x-www-form-urlencoded"


def test_get() -> None:
    request = FormRequest.from_response(page('<form action="get.php?x=1"><input name=a value=1></form>'))
    assert (request.method, request.url, request.body) == ("GET", "http://www.example.com/this/get.php?a=1", b"")


@pytest.mark.parametrize(
    ("form", "url"),
    [
        ("<form method=post>", PAGE_URL),
        ('<form method=post action="">', PAGE_URL),
        ('<form method=post action=" /x y ">', "http://www.example.com/x%20y"),
        ('<form method=post action="http://other.com/z">', "http://other.com/z"),
        ('<base href="http://b.com/q/"><form method=post action="p">', "http://b.com/q/p"),
        ('<base href="http://b.com/q/"><form method=post>', "http://b.com/q/"),
        ('<form method=post action="x#frag">', "http://www.example.com/this/x#frag"),
    ],
)
def test_url(form: str, url: str) -> None:
    assert FormRequest.from_response(page(form + "<input name=a value=1></form>")).url == url


def test_url_argument() -> None:
    assert FormRequest.from_response(page(POST), url="/relative").url == "http://www.example.com/relative"
    assert FormRequest.from_response(page(POST), url="http://b.com/x").url == "http://b.com/x"


def test_a_script_as_action() -> None:
    with pytest.raises(ValueError, match="Missing scheme"):
        FormRequest.from_response(page('<form method=post action="javascript:x()"></form>'))


@pytest.mark.parametrize(
    ("form", "argument", "method"),
    [
        ("", None, "GET"),
        ("method=post", None, "POST"),
        ("method=PoSt", None, "POST"),
        ("method=dialog", None, "GET"),
        ("method=put", None, "GET"),
        ("method=post", "GET", "GET"),
        ("method=post", "get", "GET"),
        ("", "POST", "POST"),
        ("method=post", "PUT", "GET"),
    ],
)
def test_method(form: str, argument: str | None, method: str) -> None:
    kwargs = {} if argument is None else {"method": argument}
    assert FormRequest.from_response(page(f"<form {form}><input name=a value=1></form>"), **kwargs).method == method


def test_valid_form_methods_of_a_subclass() -> None:
    class PutForm(FormRequest):
        valid_form_methods = ["GET", "POST", "PUT"]

    request = PutForm.from_response(page("<form method=put><input name=a value=1></form>"))
    assert (type(request), request.method) == (PutForm, "PUT")


@pytest.mark.parametrize("enctype", ["multipart/form-data", "text/plain", "application/x-www-form-urlencoded"])
def test_enctype_does_not_change_the_encoding_of_the_body(enctype: str) -> None:
    request = FormRequest.from_response(page(f"<form method=post enctype={enctype}><input name=a value=1></form>"))
    assert (request.body, request.headers[b"Content-Type"]) == (b"a=1", b"application/x-www-form-urlencoded")


def test_further_arguments_are_those_of_the_request() -> None:
    request = FormRequest.from_response(
        page(POST), headers={"Accept-Encoding": "gzip"}, meta={"m": 1}, priority=3, dont_filter=True, cookies={"c": "d"}
    )
    assert request.headers[b"Accept-Encoding"] == b"gzip"
    assert (request.meta, request.priority, request.dont_filter, request.cookies) == ({"m": 1}, 3, True, {"c": "d"})
    assert type(request) is FormRequest
    assert isinstance(request, Request)


def test_encodings() -> None:
    body = '<form method=post><input name="£" value="µ"></form>'
    assert FormRequest.from_response(page(body)).body == b"%C2%A3=%C2%B5"
    assert FormRequest.from_response(page(body, encoding="latin-1")).body == b"%A3=%B5"
    assert FormRequest.from_response(page(body, encoding="latin-1"), encoding="utf-8").body == b"%C2%A3=%C2%B5"


def test_other_documents() -> None:
    text = TextResponse("http://a.com/x", body=POST, encoding="utf-8")
    assert FormRequest.from_response(text).url == "http://a.com/post.php"
    xhtml = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><form>{}</form></html>'
    assert submitted(xhtml.format('<input name="a" value="1"/>')) == [("a", "1")]
    assert submitted('<FORM METHOD=post ACTION=x><INPUT NAME=a VALUE="&amp;&eacute;"></FORM>') == [("a", "&é")]
    assert submitted('<form><input name=a value="\0x"></form>') == [("a", "x")]


# -- which form

TWO = """<form id=f1 name=n1 action=one><input name=a value=1></form>
<div><form id=f2 name=n2 action=two><p id=inside><input name=b value=2></p></form></div><p id=outside></p>"""


@pytest.mark.parametrize(
    ("kwargs", "action"),
    [
        ({}, "one"),
        ({"formname": "n2"}, "two"),
        ({"formname": "none"}, "one"),
        ({"formname": "none", "formnumber": 1}, "two"),
        ({"formid": "f2"}, "two"),
        ({"formid": "none"}, "one"),
        ({"formname": "none", "formid": "f2"}, "two"),
        ({"formname": "n1", "formid": "f2"}, "one"),
        ({"formnumber": 1}, "two"),
        ({"formxpath": "//form[@id='f2']"}, "two"),
        ({"formxpath": "//p[@id='inside']"}, "two"),
        ({"formxpath": "//input[@name='b']"}, "two"),
        ({"formcss": "#f2"}, "two"),
        ({"formcss": "input[name='b']"}, "two"),
    ],
)
def test_which_form(kwargs: dict[str, Any], action: str) -> None:
    assert FormRequest.from_response(page(TWO), **kwargs).url.startswith(f"http://www.example.com/this/{action}?")


@pytest.mark.parametrize("body", ["<p>no form</p>", "", "   "])
def test_no_form(body: str) -> None:
    with pytest.raises(ValueError, match="No <form> element found in <200"):
        FormRequest.from_response(page(body))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"formxpath": "//none"},
        {"formxpath": "//p[@id='outside']"},
        {"formcss": "#none"},
        {"formcss": "#outside"},
        {"formxpath": "//form/x"},
    ],
)
def test_no_form_there(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="No <form> element found with"):
        FormRequest.from_response(page(TWO), **kwargs)


def test_no_form_of_that_number() -> None:
    with pytest.raises(IndexError, match="Form number 5 not found in <200"):
        FormRequest.from_response(page(TWO), formnumber=5)


# -- what is sent


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("<input name=a><input name=b value=''>", [("a", ""), ("b", "")]),
        ("<input value=1><input name='' value=2>", []),
        ("<input type=checkbox name=a value=1><input type=checkbox name=b value=2 checked>", [("b", "2")]),
        ("<input type=checkbox name=c checked><input type=checkbox name=d>", [("c", "on")]),
        ("<input type=CHECKBOX name=a value=1>", []),
        ("<input type=radio name=a value=1><input type=radio name=a value=2 checked>", [("a", "2")]),
        ("<input type=radio name=a value=1>", []),
        ("<input type=reset name=r value=1><input type=button name=b value=1>", []),
        (
            "<input type=password name=p value=1><input type=email name=e value=2><input type=odd name=o value=3>",
            [("p", "1"), ("e", "2"), ("o", "3")],
        ),
        ("<input name=a value=1 disabled><input name=b value=2>", [("b", "2")]),
        ("<fieldset disabled><input name=a value=1></fieldset>", []),
        ("<fieldset disabled><legend><input name=a value=1></legend><input name=b value=1></fieldset>", [("a", "1")]),
        ("<select name=s><option value=1>a<option value=2 selected>b</select>", [("s", "2")]),
        ("<select name=s><option value=1>a<option value=2>b</select>", [("s", "1")]),
        ("<select name=s><option value=1 selected>a<option value=2 selected>b</select>", [("s", "2")]),
        ("<select name=s><option value=1 disabled>a<option value=2>b</select>", [("s", "2")]),
        ("<select name=s><option> two  words </option></select>", [("s", "two words")]),
        ("<select name=s><option value=''>a</select>", [("s", "")]),
        ("<select name=s></select>", []),
        ("<select><option value=1></select>", []),
        ("<select name=s disabled><option value=1></select>", []),
        (
            "<select name=s multiple><option value=1 selected>a<option value=2>b<option value=3 selected>c</select>",
            [("s", "1"), ("s", "3")],
        ),
        ("<select name=s multiple><option value=1>a</select>", []),
        (
            "<select name=s><optgroup label=g><option value=1>a<option value=2 selected>b</optgroup></select>",
            [("s", "2")],
        ),
        (
            "<textarea name=t>hello\nworld</textarea><textarea name=u></textarea><textarea>x</textarea>",
            [("t", "hello\nworld"), ("u", "")],
        ),
        ("<div><p><input name=a value=1></p></div>", [("a", "1")]),
        ("<input name=a value=1><input name=a value=2>", [("a", "1"), ("a", "2")]),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_fields(fields: str, expected: list[tuple[str, str]], method: str) -> None:
    assert submitted(f"<form method={method}>{fields}</form>") == expected


@pytest.mark.parametrize(
    ("formdata", "expected"),
    [
        ({"two": "9"}, [("one", "1"), ("two", "9")]),
        ({"one": ["8", "9"]}, [("two", "2"), ("one", "8"), ("one", "9")]),
        ({"one": None}, [("two", "2")]),
        ({"new": None}, [("one", "1"), ("two", "2")]),
        ({"new": "3"}, [("one", "1"), ("two", "2"), ("new", "3")]),
        ([("two", "a"), ("two", "b")], [("one", "1"), ("two", "a"), ("two", "b")]),
        ((("two", "a"),), [("one", "1"), ("two", "a")]),
        ({}, [("one", "1"), ("two", "2")]),
    ],
)
def test_formdata_replaces_and_adds(formdata: Any, expected: list[tuple[str, str]]) -> None:
    assert (
        submitted("<form method=post><input name=one value=1><input name=two value=2></form>", formdata=formdata)
        == expected
    )


@pytest.mark.parametrize("formdata", ["x", 3, [1], ["abc"]])
def test_formdata_of_another_kind(formdata: Any) -> None:
    with pytest.raises(ValueError, match="formdata should be a dict or iterable of tuples"):
        FormRequest.from_response(page(POST), formdata=formdata)


def test_formdata_of_a_radio() -> None:
    body = "<form><input type=radio name=a value=1><input type=radio name=a value=2 checked></form>"
    assert submitted(body, formdata={"a": "1"}) == [("a", "1")]


# -- clicking

SUBMITS = "<form><input type=submit name=s1 value=v1><input type=submit name=s2 value=v2><input name=a value=1></form>"


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, [("a", "1"), ("s1", "v1")]),
        ({"clickdata": {"name": "s2"}}, [("a", "1"), ("s2", "v2")]),
        ({"clickdata": {"value": "v2"}}, [("a", "1"), ("s2", "v2")]),
        ({"clickdata": {"name": "s2", "value": "v2"}}, [("a", "1"), ("s2", "v2")]),
        ({"clickdata": {"nr": 1}}, [("a", "1"), ("s2", "v2")]),
        ({"dont_click": True}, [("a", "1")]),
        ({"dont_click": True, "clickdata": {"name": "s2"}}, [("a", "1")]),
        ({"formdata": {"s1": "mine"}}, [("a", "1"), ("s1", "mine")]),
        ({"formdata": {"a": "2"}, "clickdata": {"name": "s2"}}, [("s2", "v2"), ("a", "2")]),
    ],
)
def test_click(kwargs: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert submitted(SUBMITS, **kwargs) == expected


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("<input type=SUBMIT name=s value=1>", [("s", "1")]),
        ("<input type=submit name=s>", [("s", "")]),
        ("<input type=submit value=1>", []),
        ("<input type=image name=i>", [("i", "")]),
        ("<input type=image name=i value=v>", [("i", "v")]),
        ("<button name=b value=1>x</button>", [("b", "1")]),
        ("<button name=b>x</button>", [("b", "")]),
        ("<button type=Submit name=b value=1>x</button>", [("b", "1")]),
        ("<button type=button name=b value=1>x</button>", []),
        ("<button type=reset name=b value=1>x</button>", []),
        ("<input type=submit name=s value=1 disabled><input type=submit name=t value=2>", [("t", "2")]),
    ],
)
def test_what_can_be_clicked(control: str, expected: list[tuple[str, str]]) -> None:
    assert submitted(f"<form>{control}</form>") == expected


def test_click_by_id_and_by_text_beyond_ascii() -> None:
    body = "<form><input type=submit name='in €' value=1><input id=x type=submit name='in £' value=2></form>"
    assert submitted(body, clickdata={"id": "x"}) == [("in £", "2")]
    assert submitted(body, clickdata={"name": "in £"}) == [("in £", "2")]


@pytest.mark.parametrize("clickdata", [{"name": "none"}, {"nr": 9}, {"name": "s1", "value": "v2"}])
def test_nothing_to_click(clickdata: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="No clickable element matching clickdata"):
        FormRequest.from_response(page(SUBMITS), clickdata=clickdata)


def test_several_to_click() -> None:
    body = "<form><input type=submit name=s value=1><input type=submit name=s value=2></form>"
    with pytest.raises(ValueError, match=r"Multiple elements found .* matching the criteria in clickdata"):
        FormRequest.from_response(page(body), clickdata={"name": "s"})
    assert submitted(body, clickdata={"name": "s", "value": "2"}) == [("s", "2")]
