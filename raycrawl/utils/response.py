"""Helpers on responses: base URL, meta refresh, status line, browser."""

from __future__ import annotations

import os
import re
import tempfile
import webbrowser
from collections.abc import Callable, Iterable
from html import escape, unescape
from http import HTTPStatus
from typing import Any

from w3lib.html import remove_comments, remove_tags_with_content

from raycrawl.http.response import Response
from raycrawl.http.response.text import TextResponse
from raycrawl.urls import link_url


def get_base_url(response: TextResponse) -> str:
    """The URL that relative URLs of ``response`` are relative to: ``<base href>``, else its own."""
    base = response.base()
    return base if isinstance(base, str) else str(base.href)


_HEAD_CHARS = 4096
_META = re.compile(r"""<meta\s((?:[^>"']|"[^"]*"|'[^']*')*+)>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([^\s=/>"']+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
# Seconds, then the address behind ";" or "," (https://html.spec.whatwg.org/#shared-declarative-refresh-steps).
_REFRESH = re.compile(r"""\s*(\d+(?:\.\d*)?|\.\d+)\s*[;,]\s*url\s*=\s*(["']?)(.*)""", re.IGNORECASE | re.DOTALL)


def get_meta_refresh(
    response: TextResponse, ignore_tags: Iterable[str] = ("script", "noscript")
) -> tuple[None, None] | tuple[float, str]:
    """The (delay in seconds, absolute URL) of the document's meta refresh; (None, None) when it has none.

    It is looked for in the first 4096 characters, and must lead to a URL that a browser accepts.

    Args:
        ignore_tags: elements inside which it does not count.
    """
    text = response.text[:_HEAD_CHARS]
    if "refresh" not in text.lower():
        return None, None
    text = remove_comments(remove_tags_with_content(text, tuple(ignore_tags)))
    for meta in _META.finditer(text):
        attributes = {
            name.lower(): unescape(one or two or bare) for name, one, two, bare in reversed(_ATTRIBUTE.findall(meta[1]))
        }
        if attributes.get("http-equiv", "").strip().lower() != "refresh":
            continue
        refresh = _REFRESH.match(attributes.get("content", ""))
        if refresh is not None:
            url = refresh[3].partition(refresh[2])[0] if refresh[2] else refresh[3]
            try:
                return float(refresh[1]), link_url(response.base(), url.strip(), response.encoding)
            except ValueError:
                continue  # a browser ignores it too
    return None, None


def response_status_message(status: bytes | float | str) -> str:
    """The status with its reason: "404 Not Found"; "573 Unknown Status" for what no standard names."""
    code = int(status)
    try:
        reason = HTTPStatus(code).phrase
    except ValueError:
        reason = "Unknown Status"
    return f"{code} {reason}"


def response_from_dict(d: dict[str, Any]) -> Response:
    """The response that ``Response.to_dict`` gave ``d`` for.

    Raises:
        ValueError: when ``_class`` is not a response class.
    """
    cls: type[Response] = Response
    if "_class" in d:
        from raycrawl.utils.misc import load_object

        cls = load_object(d["_class"])
        if not (isinstance(cls, type) and issubclass(cls, Response)):
            raise ValueError(f"{d['_class']} is not a Response class")
    return cls(**{name: value for name, value in d.items() if name in cls.attributes})


def open_in_browser(response: TextResponse, _openfunc: Callable[[str], Any] = webbrowser.open) -> Any:
    """Open ``response`` in the local browser, with a ``<base>`` so that its images and styles load.

    Raises:
        TypeError: when the response is neither HTML nor text.
    """
    from raycrawl.http.response.html import HtmlResponse

    body = response.body
    if isinstance(response, HtmlResponse):
        if b"<base" not in body.lower():
            body = _with_base(body, response.url)
        extension = ".html"
    elif isinstance(response, TextResponse):
        extension = ".txt"
    else:
        raise TypeError(f"Unsupported response type: {type(response).__name__}")
    handle, name = tempfile.mkstemp(extension)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    return _openfunc(f"file://{name}")


# A comment, or the start of the head; not <header>.
_HEAD = re.compile(rb"<!--.*?-->|<head(?=[\s>])[^<>]*>", re.DOTALL | re.IGNORECASE)


def _with_base(body: bytes, url: str) -> bytes:
    """``body`` with a ``<base>`` as the first thing in its head (a head inside a comment is none)."""
    for match in _HEAD.finditer(body):
        if not match[0].startswith(b"<!--"):
            return body[: match.end()] + f'<base href="{escape(url)}">'.encode() + body[match.end() :]
    return body
