"""Downloader middlewares: what happens to a request before it is sent and to a response before anybody sees it."""
