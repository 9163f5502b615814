"""``data:`` URLs: the response is in the URL (RFC 2397)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raycrawl.http import TextResponse
from raycrawl.responsetypes import responsetypes

if TYPE_CHECKING:
    from raycrawl.http import Request, Response


class DataURIDownloadHandler:
    """Answers ``data:`` URLs without I/O."""

    lazy = False

    async def download_request(self, request: Request) -> Response:
        """The URL's content; its class follows its media type.

        Raises:
            ValueError: not a data URL.
        """
        from w3lib.url import parse_data_uri

        uri = parse_data_uri(request.url)
        response_class = responsetypes.from_mimetype(uri.media_type)
        arguments: dict[str, Any] = {}
        if issubclass(response_class, TextResponse) and uri.media_type.partition("/")[0] == "text":
            arguments["encoding"] = uri.media_type_parameters.get("charset")
        return response_class(url=request.url, body=uri.data, **arguments)

    async def close(self) -> None:
        """Nothing is held."""
        return None
