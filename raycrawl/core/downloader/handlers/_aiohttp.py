"""The handler on aiohttp's client at the path where Scrapy has it."""

from raycrawl.transport.aiohttp import AiohttpDownloadHandler

__all__ = ["AiohttpDownloadHandler"]
