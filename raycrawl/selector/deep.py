"""Documents that are nested deeper than the parser goes.

libxml2 stops reading at 2,048 open elements (`xmlParserMaxDepth` with XML_PARSE_HUGE) and says nothing: all that
follows is missing from the tree. An unclosed `<font>` per row is enough. Such a document is read once more, in events,
which have no such limit, and what lies too deep becomes siblings at the depth of ``DEEPEST``: every element, attribute
and text is there, only not as deep.
"""

from __future__ import annotations

from typing import Any

from lxml import etree, html

PARSER_DEPTH = 2048
DEEPEST = 2000
_LEAST_NCHARS = 3 * PARSER_DEPTH  # "<b>" for each level


def is_cut(root: Any, text: str) -> bool:
    """Whether the parser stopped at its limit. Costs a look at the text's length and number of tags, mostly."""
    if len(text) < _LEAST_NCHARS or text.count("<") < PARSER_DEPTH - 10:
        return False
    depth = 0
    # Where the parser stopped, every open element is the last child of the one around it.
    while (child := next(root.iterchildren(reversed=True), None)) is not None:
        root = child
        depth += 1
    return depth >= PARSER_DEPTH - 10


class _Flattener:
    """Builds the tree of the events of a parser; elements below ``DEEPEST`` stand beside each other."""

    def __init__(self) -> None:
        make_element: Any = html.HTMLParser().makeelement
        self._builder = etree.TreeBuilder(element_factory=make_element)
        self._depth = 0
        self._deep: tuple[int, str] | None = None  # the open element below the limit: its true depth, its tag

    def start(self, tag: str, attributes: Any) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            self._end_deep()
            self._deep = (self._depth, tag)
        self._builder.start(tag, dict(attributes))

    def end(self, tag: str) -> None:
        if self._depth <= DEEPEST:
            self._builder.end(tag)
        elif self._deep is not None and self._deep[0] == self._depth:
            self._end_deep()
        self._depth -= 1

    def _end_deep(self) -> None:
        if self._deep is not None:
            self._builder.end(self._deep[1])
            self._deep = None

    def data(self, text: str) -> None:
        self._builder.data(text)

    def comment(self, text: str) -> None:
        self._builder.comment(text)

    def close(self) -> Any:
        return self._builder.close()


def flattened(text: str, base_url: str | None) -> Any:
    """The root element of an HTML document of any depth."""
    target: Any = _Flattener()
    parser = html.HTMLParser(target=target, recover=True, encoding="utf-8", huge_tree=True)
    root = etree.fromstring(text.strip().replace("\x00", "").encode("utf-8", "replace"), parser=parser)
    if base_url:
        root.getroottree().docinfo.URL = base_url
    return root
