"""The HTTP/1.1 handler at the path where Scrapy has it."""

from raycrawl.transport.http11 import HTTP11DownloadHandler

__all__ = ["HTTP11DownloadHandler"]
