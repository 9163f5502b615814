"""What a URL has to pass to be extracted: small functions of a normalized absolute URL, asked for every link of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

UrlCheck: TypeAlias = Callable[[str], object]

_MAX_KNOWN_HOSTS = 10_000


def extension_check(extensions: Iterable[str]) -> UrlCheck:
    """Passes URLs whose path does not end with one of ``extensions`` (lower case, with their dot)."""
    single = frozenset(extension for extension in extensions if extension.count(".") == 1)
    compound = tuple(extension for extension in extensions if extension.count(".") != 1)
    path_end = re.compile(r"[;?#]")

    def check(url: str) -> bool:
        dot = url.rfind(".")
        if dot < url.rfind("/") and "?" not in url and "#" not in url and ";" not in url:
            return True  # the usual case: nothing in the last segment
        path = path_end.split(url, maxsplit=1)[0]
        slash = path.rfind("/")
        dot = path.rfind(".")
        if dot < slash or slash < path.find("://") + 3:
            return True
        name = path[slash:].lower()
        return name[dot - slash :] not in single and not name.endswith(compound)

    return check


def domain_check(allowed: frozenset[str], denied: frozenset[str]) -> UrlCheck:
    """Passes URLs whose host (with a port that is not the scheme's own) is in ``allowed`` and not in ``denied``.

    Subdomains belong to a domain. Answers are remembered by host, since a page links to few.
    """
    known: dict[str, bool] = {}

    def belongs(host: str, domains: frozenset[str]) -> bool:
        return host in domains or any(host.endswith("." + domain) for domain in domains)

    def check(url: str) -> bool:
        host = url.split("/", 3)[2]
        answer = known.get(host)
        if answer is None:
            name = host.rpartition("@")[2]
            answer = (not allowed or belongs(name, allowed)) and not belongs(name, denied)
            if len(known) >= _MAX_KNOWN_HOSTS:
                known.clear()
            known[host] = answer
        return answer

    return check


def any_match(regexes: Iterable[re.Pattern[str]]) -> UrlCheck:
    """Passes what at least one of ``regexes`` is found in."""
    searches = tuple(regex.search for regex in regexes)
    if len(searches) == 1:
        return searches[0]

    def check(text: str) -> bool:
        for search in searches:  # noqa: SIM110 - twice as fast as any()
            if search(text):
                return True
        return False

    return check


def no_match(regexes: Iterable[re.Pattern[str]]) -> UrlCheck:
    """Passes what none of ``regexes`` is found in."""
    found = any_match(regexes)
    return lambda text: not found(text)


__all__ = ["UrlCheck", "any_match", "domain_check", "extension_check", "no_match"]
