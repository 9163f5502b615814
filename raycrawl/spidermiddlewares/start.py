"""Marks the requests that ``Spider.start()`` gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware, Step

if TYPE_CHECKING:
    from raycrawl.http import Request, Response


class StartSpiderMiddleware(BaseSpiderMiddleware):
    """Sets ``meta["is_start_request"]`` on start requests, so that the scheduler can tell them from others."""

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        if response is None:
            request.meta["is_start_request"] = True
        return request

    def request_step(self, response: Response | None) -> Step | None:
        return super().request_step(response) if response is None else None
