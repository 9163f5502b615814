"""`Headers` and `CaseInsensitiveDict`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from raycrawl.http import Headers
from raycrawl.utils.datatypes import CaseInsensitiveDict, LocalCache, LocalWeakReferencedCache, SequenceExclude


@pytest.fixture
def headers() -> Headers:
    return Headers({"content-type": "text/html", "A": ["1", 2], "n": None, "x-y": b"z"})


def test_names_and_values_are_normalised(headers: Headers) -> None:
    assert dict(headers.items()) == {b"Content-Type": [b"text/html"], b"A": [b"1", b"2"], b"N": [], b"X-Y": [b"z"]}
    assert list(headers) == list(headers.keys()) == [b"Content-Type", b"A", b"N", b"X-Y"]
    assert headers.values() == [b"text/html", b"2", None, b"z"]
    assert repr(Headers({"a": "b"})) == "{b'A': [b'b']}"


@pytest.mark.parametrize("key", ["Content-Type", "content-type", b"CONTENT-TYPE", "cOnTeNt-tYpE"])
def test_names_match_in_any_case(headers: Headers, key: Any) -> None:
    assert headers[key] == b"text/html"
    assert headers.get(key) == b"text/html"
    assert headers.getlist(key) == [b"text/html"]
    assert key in headers
    assert headers.has_key(key)
    del headers[key]
    assert key not in headers


def test_the_last_value_counts(headers: Headers) -> None:
    assert headers["a"] == b"2"
    assert headers.get("a") == b"2"
    assert headers.getlist("a") == [b"1", b"2"]


def test_empty_values(headers: Headers) -> None:
    assert headers["n"] is None
    assert headers.get("n", "default") is None
    assert headers.getlist("n", ["default"]) == []
    assert Headers({"a": []})["a"] is None
    assert Headers({"a": ""})["a"] == b""


def test_missing_names(headers: Headers) -> None:
    with pytest.raises(KeyError):
        headers["missing"]
    assert headers.get("missing") is None
    assert headers.get("missing", "ü") == b"\xc3\xbc"
    assert headers.get("missing", ["a", "b"]) == b"b"
    assert headers.getlist("missing") == []
    assert headers.getlist("missing", "x") == [b"x"]
    assert headers.getlist("missing", ["a", 1]) == [b"a", b"1"]
    with pytest.raises(KeyError):
        headers.pop("missing")
    assert headers.pop("missing", "d") == "d"


@pytest.mark.parametrize(
    ("seq", "expected"),
    [
        (None, {}),
        ({}, {}),
        ([("a", "b"), ("A", "c")], {b"A": [b"b", b"c"]}),
        ({"a": ("x", "y")}, {b"A": [b"x", b"y"]}),
        ({"a": iter(["x"])}, {b"A": [b"x"]}),
        ({"a": True}, {b"A": [b"True"]}),
        ({"a": 3}, {b"A": [b"3"]}),
        ({"a": " x "}, {b"A": [b" x "]}),
        (Headers({"a": ["1", "2"]}), {b"A": [b"1", b"2"]}),
        ((("a", "b"),), {b"A": [b"b"]}),
    ],
)
def test_construction(seq: Any, expected: dict[bytes, list[bytes]]) -> None:
    assert Headers(seq) == expected


@pytest.mark.parametrize("value", [object(), 1.5, [object()], [None], {"x": object()}.values()])
def test_values_of_other_types(value: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported value type"):
        Headers({"a": value})


def test_names_of_other_types() -> None:
    with pytest.raises(TypeError, match="header name"):
        Headers({1: "a"})


def test_encoding() -> None:
    headers = Headers({"key": "£"}, encoding="latin-1")
    assert headers.encoding == "latin-1"
    assert headers["key"] == b"\xa3"
    assert headers.to_unicode_dict()["key"] == "£"
    assert headers.to_tuple_list() == [("Key", "£")]
    assert Headers({"key": "£"})["key"] == b"\xc2\xa3"
    assert Headers({"ü": "é"}, encoding="latin-1") == {b"\xdc": [b"\xe9"]}


def test_a_copy_has_its_own_lists(headers: Headers) -> None:
    for other in (
        headers.copy(),
        copy.copy(headers),
        copy.deepcopy(headers),
        pickle.loads(pickle.dumps(headers)),
        Headers(headers),
    ):
        assert other == headers
        assert type(other) is Headers
        other.appendlist("a", "3")
        other.getlist("content-type").append(b"x")
        assert headers.getlist("a") == [b"1", b"2"]
        assert headers.getlist("content-type") == [b"text/html"]


def test_a_copy_keeps_the_encoding() -> None:
    headers = Headers({"a": "é"}, encoding="latin-1")
    for other in (headers.copy(), copy.deepcopy(headers)):
        other["b"] = "é"
        assert (other["b"], other.encoding) == (b"\xe9", "latin-1")


def test_setting(headers: Headers) -> None:
    headers["A"] = "x"
    assert headers.getlist("a") == [b"x"]
    headers["a"] = ["y", "z"]
    assert headers.getlist("a") == [b"y", b"z"]
    headers.setlist("a", ("8", 9))
    assert headers.getlist("a") == [b"8", b"9"]
    assert headers.pop("A") == [b"8", b"9"]
    assert "a" not in headers


def test_appendlist(headers: Headers) -> None:
    headers.appendlist("a", "3")
    headers.appendlist("A", ["4", "5"])
    headers.appendlist("new", "v")
    assert headers.getlist("a") == [b"1", b"2", b"3", b"4", b"5"]
    assert headers.getlist("new") == [b"v"]


def test_setdefault() -> None:
    headers = Headers()
    assert headers.setdefault("a", "ip1") == [b"ip1"]
    assert headers.setdefault("A", "ip2") == [b"ip1"]
    assert headers.setlistdefault("b", ["1", "2"]) == [b"1", b"2"]
    assert headers.setlistdefault("b", ["3"]) == [b"1", b"2"]
    assert headers.getlist("b") == [b"1", b"2"]


def test_update(headers: Headers) -> None:
    headers.update({"a": "x", "new": ["1", "2"]})
    assert headers.getlist("a") == [b"x"]
    assert headers.getlist("new") == [b"1", b"2"]
    headers.update([("a", "p"), ("A", "q")])
    assert headers.getlist("a") == [b"p", b"q"]
    headers.update(Headers({"a": "r"}))
    assert headers.getlist("a") == [b"r"]
    assert headers | {"a": "s"} == {**headers, b"A": [b"s"]}
    headers |= {"b": "t"}
    assert headers["B"] == b"t"


def test_fromkeys() -> None:
    assert Headers.fromkeys(["a", "b"], "c") == {b"A": [b"c"], b"B": [b"c"]}


def test_to_string(headers: Headers) -> None:
    assert headers.to_string() == b"Content-Type: text/html\r\nA: 1\r\nA: 2\r\nX-Y: z"
    assert Headers().to_string() == b""


def test_to_unicode_dict(headers: Headers) -> None:
    values = headers.to_unicode_dict()
    assert values == {"Content-Type": "text/html", "A": "1,2", "N": "", "X-Y": "z"}
    assert values["content-TYPE"] == "text/html"
    assert isinstance(values, CaseInsensitiveDict)


def test_to_tuple_list(headers: Headers) -> None:
    assert headers.to_tuple_list() == [("Content-Type", "text/html"), ("A", "1"), ("A", "2"), ("X-Y", "z")]


def test_norm() -> None:
    headers = Headers()
    assert headers.normkey("content-TYPE") == b"Content-Type"
    assert headers.normkey(b"www-authenticate") == b"Www-Authenticate"
    assert headers.normvalue("a") == [b"a"]
    assert headers.normvalue(["a", 1]) == [b"a", b"1"]


def test_truth_and_equality() -> None:
    assert not Headers()
    assert Headers({"a": "b"}) == Headers({"A": ["b"]}) == {b"A": [b"b"]}
    assert Headers({"a": "b"}) != Headers({"a": "c"})


# -- CaseInsensitiveDict and its neighbours


def test_case_insensitive_dict() -> None:
    d = CaseInsensitiveDict({"Key": 1})
    assert d["kEY"] == 1
    assert "KEY" in d
    assert 1 not in d
    assert list(d) == ["Key"]
    d["KEY"] = 2
    assert list(d.items()) == [("KEY", 2)]
    assert d.get("key") == 2
    assert d.get("x", 3) == 3
    assert d.setdefault("key", 5) == 2
    other = d.copy()
    other["key"] = 9
    assert d["key"] == 2
    del d["kEy"]
    assert not d
    with pytest.raises(KeyError):
        d["key"]
    assert CaseInsensitiveDict.fromkeys(["A", "b"], 1) == {"A": 1, "b": 1}
    assert CaseInsensitiveDict({"a": 1, "A": 2}) == {"A": 2}
    assert repr(CaseInsensitiveDict({"X": 1})) == "<CaseInsensitiveDict: {'X': 1}>"
    assert copy.copy(CaseInsensitiveDict({"X": 1}))["x"] == 1


def test_case_insensitive_dict_can_be_specialised() -> None:
    class Titled(CaseInsensitiveDict):
        def _normvalue(self, value: Any) -> Any:
            return None if value is None else value + 1

    assert Titled({"a": 1})["A"] == 2
    assert Titled.fromkeys(["a"], 3)["A"] == 4


def test_local_cache() -> None:
    cache: LocalCache[str, int] = LocalCache(limit=2)
    cache["a"], cache["b"], cache["c"] = 1, 2, 3
    assert dict(cache) == {"b": 2, "c": 3}
    unbounded: LocalCache[str, int] = LocalCache()
    for i in range(100):
        unbounded[str(i)] = i
    assert len(unbounded) == 100


def test_local_weak_referenced_cache() -> None:
    class Key:
        pass

    cache = LocalWeakReferencedCache(limit=2)
    keys = [Key() for _ in range(3)]
    for i, key in enumerate(keys):
        cache[key] = i
    assert [cache[key] for key in keys] == [None, 1, 2]
    cache["text"] = 1
    assert cache["text"] is None
    assert len(cache) == 2
    del keys[2], key
    assert len(cache) == 1


def test_sequence_exclude() -> None:
    exclude = SequenceExclude(range(5))
    assert 7 in exclude
    assert 3 not in exclude
    assert "foo" in exclude
