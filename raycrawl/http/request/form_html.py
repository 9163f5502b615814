"""What a browser sends when a form of a page is submitted.

Source: https://html.spec.whatwg.org/#form-submission-algorithm and #constructing-the-form-data-set
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import lxml.html

from raycrawl.utils.response import get_base_url

if TYPE_CHECKING:
    from raycrawl.http.response.text import TextResponse

_HTML_SPACE = " \t\n\r\f"
# Controls that are sent only when they are the one that was clicked, or never.
_UNSENT_INPUTS = frozenset({"submit", "image", "reset", "button"})
_CLICKABLE_INPUTS = frozenset({"submit", "image"})

Pair = tuple[str, Any]


def find_form(
    response: TextResponse, *, name: str | None, form_id: str | None, number: int, xpath: str | None, css: str | None
) -> Any:
    """The form element of ``response`` that the arguments choose; see ``FormRequest.from_response``."""
    text = response.text.replace("\x00", "").strip() or "<html/>"
    parser = lxml.html.HTMLParser(recover=True, encoding="utf-8", huge_tree=True)
    root = lxml.html.fromstring(text.encode(), parser=parser)
    forms: list[Any] = list(root.iter("form"))
    if not forms:
        raise ValueError(f"No <form> element found in {response}")
    if name is not None:
        for form in forms:
            if form.get("name") == name:
                return form
    if form_id is not None:
        for form in forms:
            if form.get("id") == form_id:
                return form
    if css is not None:
        import cssselect

        xpath = cssselect.HTMLTranslator().css_to_xpath(css)
    if xpath:
        return _enclosing_form(root, xpath)
    try:
        return forms[number]
    except IndexError:
        raise IndexError(f"Form number {number} not found in {response}") from None


def _enclosing_form(root: Any, xpath: str) -> Any:
    found = root.xpath(xpath)
    element = found[0] if isinstance(found, list) and found else None
    while element is not None and hasattr(element, "getparent"):
        if getattr(element, "tag", None) == "form":
            return element
        element = element.getparent()
    raise ValueError(f"No <form> element found with {xpath}")


def form_url(form: Any, url: str | None, response: TextResponse) -> str:
    """Where ``form`` is sent to: ``url``, else its action, else the document itself."""
    target = url if url is not None else form.get("action")
    if target is None:
        return get_base_url(response)
    return response.urljoin(target.strip(_HTML_SPACE))


def find_clicked(form: Any, clickdata: dict[str, str | int] | None) -> Pair | None:
    """Name and value of the control that is clicked; None when there is none, or it has no name.

    Raises:
        ValueError: when ``clickdata`` matches no control, or several.
    """
    clickables = [element for element in form.iterdescendants("input", "button") if _is_clickable(element)]
    if not clickables and clickdata is None:
        return None
    if clickdata is None:
        return _click(clickables[0])
    number = clickdata.get("nr")
    if number is not None:
        try:
            return _click(clickables[int(number)])
        except IndexError:
            raise ValueError(f"No clickable element matching clickdata: {clickdata!r}") from None
    found = [
        element for element in clickables if all(element.get(name) == str(value) for name, value in clickdata.items())
    ]
    if not found:
        raise ValueError(f"No clickable element matching clickdata: {clickdata!r}")
    if len(found) > 1:
        raise ValueError(f"Multiple elements found ({found!r}) matching the criteria in clickdata: {clickdata!r}")
    return _click(found[0])


def _is_clickable(element: Any) -> bool:
    kind = element.get("type", "").lower()
    submits = kind in ("", "submit") if element.tag == "button" else kind in _CLICKABLE_INPUTS
    return submits and not _is_disabled(element)


def _click(element: Any) -> Pair | None:
    name = element.get("name")
    return (name, element.get("value", "")) if name else None


def _is_disabled(element: Any) -> bool:
    if element.get("disabled") is not None:
        return True
    child = element
    for parent in element.iterancestors():
        if parent.tag == "fieldset" and parent.get("disabled") is not None:
            # The first legend of a disabled fieldset stays alive.
            legend = next(parent.iterchildren("legend"), None)
            if legend is None or child is not legend:
                return True
        child = parent
    return False


def submitted_pairs(form: Any, formdata: Any, clicked: Pair | None) -> list[Pair]:
    """The form data set: the form's own fields, the control that was clicked, then ``formdata``.

    Raises:
        ValueError: when ``formdata`` is neither a dict nor pairs.
    """
    given = _given_pairs(formdata)
    names = {name for name, _ in given}
    pairs = [(name, value) for name, value in _own_pairs(form) if name not in names]
    if clicked is not None and clicked[0] not in names:
        pairs.append(clicked)
    return pairs + [(name, value) for name, value in given if value is not None]


def _given_pairs(formdata: Any) -> list[Pair]:
    if not formdata:
        return []
    try:
        return [(name, value) for name, value in (formdata.items() if hasattr(formdata, "items") else formdata)]
    except (ValueError, TypeError):
        raise ValueError("formdata should be a dict or iterable of tuples") from None


def _own_pairs(form: Any) -> Iterable[Pair]:
    for element in form.iterdescendants("input", "select", "textarea"):
        name = element.get("name")
        if not name or _is_disabled(element):
            continue
        if element.tag == "select":
            yield from ((name, value) for value in _selected(element))
        elif element.tag == "textarea":
            yield name, element.text_content()
        else:
            kind = element.get("type", "").lower()
            if kind in ("checkbox", "radio"):
                if element.get("checked") is not None:
                    yield name, element.get("value", "on")
            elif kind not in _UNSENT_INPUTS:
                yield name, element.get("value", "")


def _selected(select: Any) -> list[str]:
    options = list(select.iterdescendants("option"))
    chosen = [option for option in options if option.get("selected") is not None]
    if select.get("multiple") is None:
        # One value: the one selected last, else the first that can be.
        usable = [option for option in options if option.get("disabled") is None]
        chosen = chosen[-1:] or usable[:1]
    return [_option_value(option) for option in chosen]


def _option_value(option: Any) -> str:
    value = option.get("value")
    return " ".join(option.text_content().split()) if value is None else str(value)
