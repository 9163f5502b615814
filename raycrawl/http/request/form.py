"""`FormRequest`: a request that sends a form, filled in by hand or taken from a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from raycrawl.http.request import Request

if TYPE_CHECKING:
    from raycrawl.http.response.text import TextResponse

FormdataKV: TypeAlias = tuple[str, str | Iterable[str]]
FormdataT: TypeAlias = dict[str, str | Iterable[str]] | Iterable[FormdataKV] | None


class FormRequest(Request):
    """A request that sends form data: as its body when the method is POST, else as the query of its URL.

    Args:
        formdata: a dict or pairs; a value may be a list. With it, the method is POST unless given.

    Raises:
        TypeError: for a name or value that is neither str nor bytes.
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

    @classmethod
    def from_response(
        cls,
        response: TextResponse,
        formname: str | None = None,
        formid: str | None = None,
        formnumber: int = 0,
        formdata: FormdataT = None,
        clickdata: dict[str, str | int] | None = None,
        dont_click: bool = False,
        formxpath: str | None = None,
        formcss: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """The request that a browser makes when a form of ``response`` is submitted.

        Args:
            formname, formid: the form with this name or id (when there is none, ``formnumber`` counts).
            formxpath, formcss: the form that the first match is, or is inside of.
            formnumber: which of the forms, from 0.
            formdata: values that replace or join those of the form; a value of None leaves its field out.
            clickdata: attributes of the control to click, or its number (``{"nr": 0}``); by default the first.
            dont_click: submit without clicking anything.

        The other arguments are those of `Request`; ``url`` and ``method`` replace the form's.

        Raises:
            ValueError: when there is no such form or control, or ``formdata`` is neither dict nor pairs.
            IndexError: when there are not so many forms.
        """
        from raycrawl.http.request import form_html

        kwargs.setdefault("encoding", response.encoding)
        form = form_html.find_form(
            response, name=formname, form_id=formid, number=formnumber, xpath=formxpath, css=formcss
        )
        click = None if dont_click else form_html.find_clicked(form, clickdata)
        data = form_html.submitted_pairs(form, formdata, click)
        url = form_html.form_url(form, kwargs.pop("url", None), response)
        method = str(kwargs.pop("method", None) or form.get("method") or "GET").upper()
        return cls(url=url, method=method if method in cls.valid_form_methods else "GET", formdata=data, **kwargs)


def _urlencode(pairs: Iterable[FormdataKV], encoding: str) -> str:
    values: list[tuple[bytes, bytes]] = []
    for name, value in pairs:
        many = hasattr(value, "__iter__") and not isinstance(value, str | bytes)
        for item in value if many else [value]:
            values.append((_to_bytes(name, name, encoding), _to_bytes(item, name, encoding)))
    return urlencode(values)


def _to_bytes(value: Any, name: Any, encoding: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(encoding)
    raise TypeError(f"form field {name!r} must be str or bytes, got {type(value).__name__}")
