"""Going through the nodes of an XML feed and the rows of a CSV feed, without building the whole."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from lxml import etree

if TYPE_CHECKING:
    from raycrawl.http import Response
    from raycrawl.selector import Selector

logger = logging.getLogger(__name__)


def xmliter_lxml(
    obj: Response | str | bytes, nodename: str, namespace: str | None = None, prefix: str = "x"
) -> Iterator[Selector]:
    """The elements called ``nodename``, in document order, each as a selector on a document of its own.

    Args:
        obj: a response, or a document.
        nodename: the name of the element, with the prefix of the document where it has one (``"g:item"``).
        namespace: the URI of the namespace that the element is in; it is registered for the selectors as ``prefix``.
            Without it, ``nodename`` is an element in no namespace.

    Where the document is damaged, it is read as far as it makes sense, and a warning is logged.

    Raises:
        TypeError: ``obj`` is none of these.
    """
    from raycrawl.selector import Selector

    data, encoding = _xml_bytes(obj)
    namespaces = {prefix: namespace} if namespace else None
    for node in _iter_nodes(data, encoding, nodename, namespace):
        text = etree.tostring(node, encoding="unicode", with_tail=False)
        yield Selector(text=text, type="xml", namespaces=namespaces)


def _iter_nodes(data: bytes, encoding: str | None, nodename: str, namespace: str | None) -> Iterator[Any]:
    node_prefix, colon, local_name = nodename.partition(":")
    tag = f"{{{namespace}}}{nodename}" if namespace else ("{*}" + local_name if colon else nodename)
    events = etree.iterparse(
        BytesIO(data), events=("end",), tag=tag, encoding=encoding, recover=True, resolve_entities=False,
        huge_tree=True, no_network=True, load_dtd=False,
    )  # fmt: skip
    try:
        for _, node in events:
            if colon and not namespace and node.prefix != node_prefix:
                continue
            yield node
            if next(node.iterancestors(node.tag), None) is None:
                _forget(node)
    except etree.XMLSyntaxError as error:
        logger.warning("The XML feed cannot be read beyond this point: %s", error)
        return
    if errors := list(events.error_log):
        logger.warning("The XML feed is damaged (%d errors, the first: %s)", len(errors), errors[0])


def _forget(node: Any) -> None:
    """Drop what was read, so that memory does not grow with the feed."""
    node.clear(keep_tail=False)
    while node.getprevious() is not None:
        del node.getparent()[0]


def _xml_bytes(obj: Response | str | bytes) -> tuple[bytes, str | None]:
    """The document as bytes for the parser, and its encoding (None: as the document declares)."""
    from raycrawl.http import Response, TextResponse

    if isinstance(obj, TextResponse):
        obj = obj.text
    elif isinstance(obj, Response):
        obj = obj.body
    if isinstance(obj, str):
        return obj.lstrip("\ufeff \t\r\n").encode("utf-8"), "utf-8"
    if isinstance(obj, bytes):
        return obj.lstrip(), None
    raise TypeError(f"Object {obj!r} must be Response or str or bytes, not {type(obj).__name__}")


def csviter(
    obj: Response | str | bytes,
    delimiter: str | None = None,
    headers: list[str] | None = None,
    encoding: str | None = None,
    quotechar: str | None = None,
) -> Iterator[dict[str, str]]:
    """The rows of a CSV document as dicts.

    Args:
        obj: a response, or a document.
        delimiter: between fields; default a comma.
        headers: the keys; by default the first row.
        encoding: of ``obj`` when it is ``bytes``; default UTF-8.
        quotechar: around fields; default a double quote.

    Rows with another number of fields than ``headers`` has are logged and left out.

    Raises:
        TypeError: ``obj`` is none of these.
    """
    options: dict[str, Any] = {}
    if delimiter:
        options["delimiter"] = delimiter
    if quotechar:
        options["quotechar"] = quotechar
    rows = csv.reader(StringIO(_csv_text(obj, encoding), newline=""), **options)
    if not headers:
        headers = next(rows, None)
        if headers is None:
            return
    number = 0 if headers is None else rows.line_num
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            logger.warning("ignoring row %d: %s", number, error)
            continue
        if len(row) == len(headers):
            yield dict(zip(headers, row, strict=True))
        else:
            logger.warning("ignoring row %d (length: %d, should be: %d)", number, len(row), len(headers))


def _csv_text(obj: Response | str | bytes, encoding: str | None) -> str:
    from raycrawl.http import Response, TextResponse

    if isinstance(obj, TextResponse):
        obj = obj.text
    elif isinstance(obj, Response):
        obj = obj.body
    if isinstance(obj, bytes):
        obj = obj.decode(encoding or "utf-8")
    if not isinstance(obj, str):
        raise TypeError(f"Object {obj!r} must be Response or str or bytes, not {type(obj).__name__}")
    return obj.removeprefix("\ufeff")


__all__ = ["csviter", "xmliter_lxml"]
