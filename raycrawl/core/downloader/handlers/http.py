"""The older path of the HTTP handler."""

from raycrawl.transport.http11 import HTTP11DownloadHandler
from raycrawl.transport.http11 import HTTP11DownloadHandler as HTTPDownloadHandler

__all__ = ["HTTP11DownloadHandler", "HTTPDownloadHandler"]
