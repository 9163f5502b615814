"""cURL commands, as browsers copy them, as arguments of `Request`."""

from __future__ import annotations

import argparse
import re
import shlex
import warnings
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

from w3lib.http import basic_auth_header


class _CurlParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"There was an error parsing the curl command: {message}")


def _parser() -> _CurlParser:
    parser = _CurlParser(add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add("urls", nargs="*")
    add("--url", dest="more_urls", action="append", default=[])
    add("-H", "--header", dest="headers", action="append", default=[])
    add("-X", "--request", dest="method")
    add("-d", "--data", "--data-ascii", "--data-raw", "--data-binary", dest="data", action="append", default=[])
    add("--data-urlencode", dest="data", action="append", type=_urlencoded)
    add("--json", dest="json")
    add("-G", "--get", dest="get", action="store_true")
    add("-I", "--head", dest="head", action="store_true")
    add("-u", "--user", dest="auth")
    add("-b", "--cookie", dest="cookies", action="append", default=[])
    add("-A", "--user-agent", dest="user_agent")
    add("-e", "--referer", dest="referer")
    # What changes nothing for us: what is printed, and compression, which is always handled.
    for names in (("--compressed",), ("-s", "--silent"), ("-v", "--verbose"), ("-#", "--progress-bar")):
        add(*names, dest="ignored", action="store_true")
    return parser


def _urlencoded(value: str) -> str:
    name, sep, content = value.partition("=")
    return f"{name}={quote_plus(content)}" if sep and name else quote_plus(content if sep else value)


# Bash's $'...', with which browsers quote values that have control characters or an exclamation mark.
_ANSI_QUOTED = re.compile(r"(?<![^\s])\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ANSI_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_ANSI_NAMES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}


def _plain_quoted(match: re.Match[str]) -> str:
    def char(escape: re.Match[str]) -> str:
        code = escape[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _ANSI_NAMES.get(code, code)

    return shlex.quote(_ANSI_ESCAPE.sub(char, match[1]))


def curl_to_request_kwargs(curl_command: str, ignore_unknown_options: bool = True) -> dict[str, Any]:
    """The arguments of `Request` for a cURL command: method, url, and what it has of headers, cookies, body.

    Args:
        ignore_unknown_options: warn about options that we do not know, instead of raising.

    Raises:
        ValueError: when it is not a cURL command, or has unknown options and these are not ignored.
    """
    # A backslash at a line end continues the line.
    words = shlex.split(_ANSI_QUOTED.sub(_plain_quoted, re.sub(r"\\\r?\n", " ", curl_command)))
    if not words or words[0] != "curl":
        raise ValueError('A curl command must start with "curl"')
    args, unknown = _parser().parse_known_args(words[1:])
    url, surplus = _choose_url(args.more_urls + args.urls)
    unknown += surplus
    if unknown:
        message = f"Unrecognized options: {', '.join(unknown)}"
        if not ignore_unknown_options:
            raise ValueError(message)
        warnings.warn(message, stacklevel=2)
    return _request_kwargs(args, url)


def _choose_url(candidates: list[str]) -> tuple[str, list[str]]:
    """The URL among the words that are no options (an unknown option's value may be one of them), and the others."""
    if not candidates:
        raise ValueError("There was an error parsing the curl command: the following arguments are required: url")
    url = next((word for word in candidates if "://" in word), candidates[0])
    others = list(candidates)
    others.remove(url)
    return url if re.match(r"\w+://", url) else f"http://{url}", others


def _request_kwargs(args: argparse.Namespace, url: str) -> dict[str, Any]:
    body = "&".join(args.data) if args.data else args.json
    headers, cookies = _headers_and_cookies(args)
    if args.get and body:
        parts = urlsplit(url)
        joined = "&".join(part for part in (parts.query, body) if part)
        url, body = urlunsplit(parts._replace(query=quote(joined, safe="=&%+!$'()*,;:@/?-._~"))), None
    method = args.method or ("HEAD" if args.head else "POST" if body else "GET")
    result: dict[str, Any] = {"method": method.strip(), "url": url}
    if headers:
        result["headers"] = headers
    if cookies:
        result["cookies"] = cookies
    if body:
        result["body"] = body
    return result


def _headers_and_cookies(args: argparse.Namespace) -> tuple[list[tuple[str, str | bytes]], dict[str, str]]:
    headers: list[tuple[str, str | bytes]] = []
    cookies: dict[str, str] = {}
    for header in args.headers:
        name, sep, value = header.partition(":")
        name, value = name.strip(), value.strip()
        if not sep:
            if not name.endswith(";"):
                raise ValueError(f"There was an error parsing the curl command: {header!r} is not a header")
            name = name[:-1]  # "Name;" is a header without a value
        if name.lower() == "cookie":
            cookies.update(_cookie_pairs(value))
        else:
            headers.append((name, value))
    for value in args.cookies:
        cookies.update(_cookie_pairs(value))  # without "=" it is a file's name, which has none
    names = {name.lower() for name, _ in headers}
    for name, option in (("User-Agent", args.user_agent), ("Referer", args.referer)):
        if option is not None and name.lower() not in names:
            headers.append((name, option))
    if args.json is not None:
        for name in ("Content-Type", "Accept"):
            if name.lower() not in names:
                headers.append((name, "application/json"))
    if args.auth:
        user, _, password = args.auth.partition(":")
        headers.append(("Authorization", basic_auth_header(user, password)))
    return headers, cookies


def _cookie_pairs(value: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip(): content.strip() for name, sep, content in pairs if sep and name.strip()}
