"""Reading sitemaps and the ``Sitemap`` lines of robots.txt.

Source: https://www.sitemaps.org/protocol.html and RFC 9309, 2.2.4
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lxml import etree

from raycrawl.urls import join_url

_ENTRY_TAGS = frozenset({"url", "sitemap"})
_SITEMAP_LINE = re.compile(r"^[ \t]*sitemap[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


class Sitemap:
    """The entries of a sitemap or of a sitemap index, read as one goes through them.

    ``type`` is the name of the root element: ``"urlset"``, ``"sitemapindex"`` or whatever the document is. Each entry
    is a dict of the texts of its elements (``loc``, ``lastmod``, ...), with the hrefs of its alternate links under
    ``"alternate"``. Entries without a ``loc`` are left out. Damaged XML is read as far as it makes sense; entities are
    not resolved.

    Raises:
        lxml.etree.XMLSyntaxError: there is no XML in it at all.
    """

    def __init__(self, xmltext: str | bytes) -> None:
        data = xmltext.encode("utf-8") if isinstance(xmltext, str) else xmltext
        self._data = data.lstrip()
        self.type = _name(self._root())

    def _events(self, *events: str) -> Iterator[tuple[str, Any]]:
        return etree.iterparse(  # type: ignore[no-any-return,unused-ignore]
            BytesIO(self._data), events=events, recover=True, remove_comments=True, resolve_entities=False,
            huge_tree=True, no_network=True, load_dtd=False,
        )  # fmt: skip

    def _root(self) -> Any:
        for _, element in self._events("start"):
            return element
        raise etree.XMLSyntaxError("no XML element found", 0, 1, 1)  # type: ignore[call-arg,arg-type]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _, element in self._events("end"):
            if _name(element) in _ENTRY_TAGS:
                entry = _entry(element)
                element.clear()
                while element.getprevious() is not None:  # keep the tree small
                    del element.getparent()[0]
                if "loc" in entry:
                    yield entry


def _entry(element: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name = _name(child)
        if name == "link":
            if (href := child.get("href")) is not None:
                entry.setdefault("alternate", []).append(href)
        else:
            entry[name] = (child.text or "").strip()
    return entry


def sitemap_urls_from_robots(robots_text: str | bytes, base_url: str | None = None) -> Iterator[str]:
    """The URLs of the ``Sitemap:`` lines of a robots.txt, made absolute when ``base_url`` is given."""
    text = robots_text.decode("utf-8", errors="ignore") if isinstance(robots_text, bytes) else robots_text
    for match in _SITEMAP_LINE.finditer(text.replace("\r", "\n")):
        if base_url is None:
            yield match[1]
            continue
        try:
            yield join_url(base_url, match[1])
        except ValueError:
            continue  # what a browser would not load is no sitemap


__all__ = ["Sitemap", "sitemap_urls_from_robots"]
