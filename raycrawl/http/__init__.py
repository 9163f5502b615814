"""Requests, responses and headers: the vocabulary of spiders and middlewares."""

from __future__ import annotations

from raycrawl.http.headers import Headers
from raycrawl.http.request import Request
from raycrawl.http.request.form import FormRequest
from raycrawl.http.request.json_request import JsonRequest
from raycrawl.http.request.rpc import XmlRpcRequest
from raycrawl.http.response import Response
from raycrawl.http.response.html import HtmlResponse
from raycrawl.http.response.json import JsonResponse
from raycrawl.http.response.text import TextResponse
from raycrawl.http.response.xml import XmlResponse

__all__ = [
    "FormRequest",
    "Headers",
    "HtmlResponse",
    "JsonRequest",
    "JsonResponse",
    "Request",
    "Response",
    "TextResponse",
    "XmlResponse",
    "XmlRpcRequest",
]
