"""What a URL has to pass to be extracted: small functions of a normalized absolute URL, asked for every link."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

UrlCheck: TypeAlias = Callable[[str], object]

_MAX_KNOWN_HOSTS = 10_000
_PATH_END = re.compile(r"[;?#]")
_METACHARACTERS = re.compile(r"[.^$*+?{}\[\]\\|()]")
_DEFAULT_FLAGS = re.compile("").flags
_MIN_PATH_SLASH = len("https://x") - 1


def extension_check(extensions: Iterable[str]) -> UrlCheck:
    """Passes URLs whose path does not end with one of ``extensions`` (lower case, with their dot)."""
    refused = frozenset(extensions)
    # ".tar.gz" and the like: looked for when their last part is there
    compound = tuple(extension for extension in refused if extension.count(".") != 1)
    last_parts = frozenset("." + extension.rpartition(".")[2] for extension in compound)

    def check(url: str) -> bool:
        if "?" in url or "#" in url or ";" in url:
            url = _PATH_END.split(url, maxsplit=1)[0]
        dot = url.rfind(".")
        slash = url.rfind("/")
        if dot < slash or slash == _host_slash(url, slash):
            return True
        extension = url[dot:].lower()
        if extension in refused:
            return False
        return extension not in last_parts or not url[slash:].lower().endswith(compound)

    return check


def _host_slash(url: str, slash: int) -> int:
    """``slash`` when it is the one before the host name of ``url`` (which then has no path), else -1."""
    return slash if slash < _MIN_PATH_SLASH and url.endswith("://", 0, slash + 1) else -1


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
    searches = tuple(regex.search for regex in _joined(regexes))
    if len(searches) == 1:
        return searches[0]

    def check(text: str) -> bool:
        for search in searches:  # noqa: SIM110 - twice as fast as any()
            if search(text):
                return True
        return False

    return check


def _joined(regexes: Iterable[re.Pattern[str]]) -> list[re.Pattern[str]]:
    """``regexes`` with the plain words among them made one: that is found in half the time.

    Others stay apart: an alternative that starts with a wildcard would slow down all of them.
    """
    words = []
    others = []
    for regex in regexes:
        if regex.flags == _DEFAULT_FLAGS and not _METACHARACTERS.search(regex.pattern):
            words.append(regex)
        else:
            others.append(regex)
    if len(words) > 1:
        words = [re.compile("|".join(regex.pattern for regex in words))]
    return words + others


def no_match(regexes: Iterable[re.Pattern[str]]) -> UrlCheck:
    """Passes what none of ``regexes`` is found in."""
    found = any_match(regexes)
    return lambda text: not found(text)


__all__ = ["UrlCheck", "any_match", "domain_check", "extension_check", "no_match"]
