"""Which response class fits a response: by its headers, its URL or file name, its body."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from mimetypes import MimeTypes
from typing import TYPE_CHECKING, Any, Final

from raycrawl.http.response import Response
from raycrawl.utils.python import binary_is_text

if TYPE_CHECKING:
    from raycrawl.http.headers import Headers

_SNIFFED_BYTES = 5000
# What mimetypes does not know everywhere.
_MORE_TYPES = {
    ".atom": "application/atom+xml",
    ".rdf": "application/rdf+xml",
    ".rss": "application/x-rss+xml",
    ".wsdl": "application/wsdl+xml",
    ".xht": "application/xhtml+xml",
    ".xhtml": "application/xhtml+xml",
    ".xsl": "application/xslt+xml",
    ".xslt": "application/xslt+xml",
    ".shtml": "text/html",
}


class ResponseTypes:
    """The table of MIME types, and the rules that find one."""

    CLASSES: Final[Mapping[str, str]] = {
        "text/html": "raycrawl.http.HtmlResponse",
        "application/xhtml+xml": "raycrawl.http.HtmlResponse",
        "application/vnd.wap.xhtml+xml": "raycrawl.http.HtmlResponse",
        "application/atom+xml": "raycrawl.http.XmlResponse",
        "application/rdf+xml": "raycrawl.http.XmlResponse",
        "application/rss+xml": "raycrawl.http.XmlResponse",
        "application/x-rss+xml": "raycrawl.http.XmlResponse",
        "application/wsdl+xml": "raycrawl.http.XmlResponse",
        "application/xslt+xml": "raycrawl.http.XmlResponse",
        "application/xml": "raycrawl.http.XmlResponse",
        "text/xml": "raycrawl.http.XmlResponse",
        "application/json": "raycrawl.http.JsonResponse",
        "application/x-json": "raycrawl.http.JsonResponse",
        "application/json-amazonui-streaming": "raycrawl.http.JsonResponse",
        "application/javascript": "raycrawl.http.TextResponse",
        "application/x-javascript": "raycrawl.http.TextResponse",
        "text/*": "raycrawl.http.TextResponse",
    }

    def __init__(self) -> None:
        import raycrawl.http as http

        self.classes: dict[str, type[Response]] = {
            mimetype: getattr(http, path.rpartition(".")[2]) for mimetype, path in self.CLASSES.items()
        }
        self.mimetypes = MimeTypes()
        for extension, mimetype in _MORE_TYPES.items():
            self.mimetypes.add_type(mimetype, extension)

    def from_mimetype(self, mimetype: str) -> type[Response]:
        """The class for a MIME type; `Response` for those that are not text."""
        found = self.classes.get(mimetype)
        if found is None:
            found = self.classes.get(f"{mimetype.partition('/')[0]}/*", Response)
        return found

    def from_content_type(self, content_type: str | bytes, content_encoding: bytes | None = None) -> type[Response]:
        """The class for a Content-Type header; `Response` for a body that is still compressed."""
        if content_encoding:
            return Response
        text = content_type.decode("latin-1") if isinstance(content_type, bytes) else content_type
        return self.from_mimetype(text.partition(";")[0].strip().lower())

    def from_content_disposition(self, content_disposition: str | bytes) -> type[Response]:
        """The class for the file name in a Content-Disposition header."""
        if isinstance(content_disposition, bytes):
            content_disposition = content_disposition.decode("latin-1")
        for parameter in content_disposition.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() in ("filename", "filename*"):
                return self.from_filename(value.strip().strip("\"'"))
        return Response

    def from_headers(self, headers: Mapping[bytes, Any]) -> type[Response]:
        """The class for the headers of a response: Content-Type first, then the file name they give."""
        found = Response
        content_type = _last(headers, b"Content-Type")
        if content_type is not None:
            found = self.from_content_type(content_type, _last(headers, b"Content-Encoding"))
        if found is Response:
            disposition = _last(headers, b"Content-Disposition")
            if disposition is not None:
                found = self.from_content_disposition(disposition)
        return found

    def from_filename(self, filename: str) -> type[Response]:
        """The class for a file name or URL, by its extension; `Response` when that says nothing."""
        return self._by_extension(filename)

    @lru_cache(maxsize=1024)
    def _by_extension(self, filename: str) -> type[Response]:
        try:
            mimetype, encoding = self.mimetypes.guess_type(filename)
        except ValueError:
            return Response
        if mimetype and not encoding:
            return self.from_mimetype(mimetype)
        return Response

    def from_body(self, body: bytes) -> type[Response]:
        """The class that the first bytes of a body look like: the last resort."""
        from raycrawl.http import HtmlResponse, TextResponse, XmlResponse

        chunk = body[:_SNIFFED_BYTES]
        if not binary_is_text(chunk):
            return Response
        lowered = chunk.lower()
        if b"<html>" in lowered or b"<!doctype html>" in lowered:
            return HtmlResponse
        if b"<?xml" in lowered:
            return XmlResponse
        return TextResponse

    def from_args(
        self,
        headers: Mapping[bytes, Any] | Headers | None = None,
        url: str | None = None,
        filename: str | None = None,
        body: bytes | None = None,
    ) -> type[Response]:
        """The class by whatever is known, in this order: headers, URL, file name, body."""
        found = Response
        if headers is not None:
            found = self.from_headers(headers)
        if found is Response and url is not None:
            found = self.from_filename(url)
        if found is Response and filename is not None:
            found = self.from_filename(filename)
        if found is Response and body is not None:
            found = self.from_body(body)
        return found


def _last(headers: Mapping[bytes, Any], name: bytes) -> bytes | None:
    value = headers.get(name)
    if isinstance(value, list):
        value = value[-1] if value else None
    return value.encode("latin-1", "replace") if isinstance(value, str) else value


responsetypes = ResponseTypes()
