"""``Set-Cookie`` as browsers read it.

The standard library reads it as Netscape wrote it down in 1994; servers rely on what browsers do, which RFC 6265
describes: any character but ``;`` in a value, the last of repeated attributes, dates in every order.

Source: RFC 6265 sections 5.1.1 (dates), 5.1.4 (paths), 5.2 (the header), 5.3 (storage).
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from http.cookiejar import Cookie

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DELIMITERS = re.compile("[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)")
_DAY = re.compile(r"(\d{1,2})(?:\D|$)")
_YEAR = re.compile(r"(\d{2,4})(?:\D|$)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WHITESPACE = " \t"
_FAR_FUTURE_S = 1 << 40


def parse_cookie_date(text: str) -> int | None:
    """Seconds since 1970 of a cookie's date, in whatever order its parts come; None when it is none (section 5.1.1)."""
    found: dict[str, tuple[int, ...]] = {}
    for token in _DELIMITERS.split(text):
        for part, pattern in (("time", _TIME), ("day", _DAY), ("month", None), ("year", _YEAR)):
            if part in found:
                continue
            if pattern is None:
                if token[:3].lower() in _MONTHS:
                    found[part] = (_MONTHS.index(token[:3].lower()) + 1,)
                    break
            elif match := pattern.match(token):
                found[part] = tuple(map(int, match.groups()))
                break
    if len(found) < 4:
        return None
    (year,), (month,), (day,), (hour, minute, second) = found["year"], found["month"], found["day"], found["time"]
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    if year < 1601 or hour > 23 or minute > 59 or second > 59:
        return None
    try:
        date(year, month, day)
    except ValueError:
        return None
    return timegm((year, month, day, hour, minute, second))


def default_path(path: str) -> str:
    """The path of a cookie without one: the directory of the request (section 5.1.4)."""
    directory = path.partition("?")[0].rpartition("/")[0]
    return directory if directory.startswith("/") else "/"


def parse_set_cookie(header: str, host: str, path: str, now_s: float) -> Cookie | None:
    """The cookie of one ``Set-Cookie`` header; None when browsers ignore it.

    Whether ``host`` may set it for its domain is the policy's question. ``expires`` is at most ``now_s`` when the
    cookie is to be deleted.

    Args:
        host: of the request, canonical.
        path: of the request.
    """
    if _CONTROLS.search(header):
        return None
    pair, _, rest = header.partition(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(_WHITESPACE), value.strip(_WHITESPACE)
    if not equals or not name:
        return None
    attributes: dict[str, str] = {}
    expires_s: int | None = None
    for attribute in rest.split(";"):
        key, _, content = attribute.partition("=")
        key, content = key.strip(_WHITESPACE).lower(), content.strip(_WHITESPACE)
        if key == "expires":
            date_s = parse_cookie_date(content)
            expires_s = expires_s if date_s is None else date_s
        elif key == "domain" and not content:
            continue
        else:
            attributes[key] = content
    max_age_s = _max_age_s(attributes.get("max-age"))
    if max_age_s is not None:
        expires_s = int(now_s) + max_age_s if max_age_s > 0 else 0
    domain = attributes.get("domain", "").removeprefix(".").lower()
    given_path = attributes.get("path", "")
    has_path = given_path.startswith("/")
    return Cookie(
        version=0, name=name, value=value, port=None, port_specified=False,
        domain=f".{domain}" if domain else host, domain_specified=bool(domain), domain_initial_dot=bool(domain),
        path=given_path if has_path else default_path(path), path_specified=has_path, secure="secure" in attributes,
        expires=expires_s, discard=expires_s is None, comment=None, comment_url=None,
        rest={"HttpOnly": ""} if "httponly" in attributes else {},
    )  # fmt: skip


def _max_age_s(text: str | None) -> int | None:
    """The number of a Max-Age attribute; None when it is none (section 5.2.2)."""
    if not text or not re.fullmatch(r"-?\d+", text, re.ASCII):
        return None
    return min(int(text[:15]), _FAR_FUTURE_S)
