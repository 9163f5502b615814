"""``s3:`` URLs: objects of Amazon S3, fetched over HTTPS with a signature (AWS Signature Version 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from raycrawl.exceptions import NotConfigured
from raycrawl.transport.http11 import HTTP11DownloadHandler

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response


class S3DownloadHandler:
    """Signs requests with ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` and hands them to the HTTP handler.

    Without keys, or with ``meta["is_secure"]`` false, as documented: anonymous, or over plain HTTP. Needs botocore.
    """

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        try:
            import botocore.auth
            import botocore.credentials
        except ImportError:
            raise NotConfigured("s3: URLs need the package botocore (pip install raycrawl[s3])") from None
        settings = crawler.settings
        self._http = HTTP11DownloadHandler(crawler)
        self._signer: Any = None
        key, secret = settings.get("AWS_ACCESS_KEY_ID"), settings.get("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            credentials = botocore.credentials.Credentials(key, secret, settings.get("AWS_SESSION_TOKEN"))
            region = settings.get("AWS_REGION_NAME") or "us-east-1"
            self._signer = botocore.auth.S3SigV4Auth(credentials, "s3", region)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        scheme = "https" if request.meta.get("is_secure", True) else "http"
        query = f"?{parts.query}" if parts.query else ""
        url = f"{scheme}://{parts.hostname}.s3.amazonaws.com{parts.path or '/'}{query}"
        http_request = request.replace(url=url)
        if self._signer is not None:
            http_request.headers.update(self._signature(request.method, url, request))
        return await self._http.download_request(http_request)

    def _signature(self, method: str, url: str, request: Request) -> dict[str, str]:
        import botocore.awsrequest

        signed = botocore.awsrequest.AWSRequest(
            method=method, url=url, headers=request.headers.to_unicode_dict(), data=request.body
        )
        self._signer.add_auth(signed)
        return {name: str(value) for name, value in signed.headers.items()}

    async def close(self) -> None:
        await self._http.close()
