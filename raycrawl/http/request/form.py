"""`FormRequest`: a request that sends a form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from raycrawl.http.request import Request

FormdataKV: TypeAlias = tuple[str, str | Iterable[str]]
FormdataT: TypeAlias = dict[str, str | Iterable[str]] | list[FormdataKV] | None


class FormRequest(Request):
    """A request that sends form data: as its body when the method is POST, as the URL's query when it is GET.

    Args:
        formdata: a dict or pairs; a value may be a list. With it, the method is POST unless given.
    """

    __slots__ = ()
    valid_form_methods = ["GET", "POST"]

    def __init__(self, *args: Any, formdata: FormdataT = None, **kwargs: Any) -> None:
        if formdata and kwargs.get("method") is None:
            kwargs["method"] = "POST"
        super().__init__(*args, **kwargs)
        if formdata:
            query = _urlencode(formdata.items() if isinstance(formdata, dict) else formdata, self.encoding)
            if self.method == "POST":
                self.headers.setdefault(b"Content-Type", b"application/x-www-form-urlencoded")
                self._set_body(query)
            else:
                self._set_url(urlunsplit(urlsplit(self.url)._replace(query=query)))


def _urlencode(pairs: Iterable[FormdataKV], encoding: str) -> str:
    values: list[tuple[bytes, bytes]] = []
    for name, value in pairs:
        for item in [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else value:
            values.append((_encode(name, encoding), _encode(item, encoding)))
    return urlencode(values, doseq=True)


def _encode(value: Any, encoding: str) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(encoding)
