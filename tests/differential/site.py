"""The site that both crawlers visit, in a process of its own: ``python -m tests.differential.site``.

Prints its port, serves 127.0.0.1 to 127.0.0.3 on it, and ends when its standard input closes. ``/_reset`` forgets
sessions, counters and the log; ``/_log`` gives the log as JSON: every request in order of arrival.
"""

from __future__ import annotations

import sys

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer
from tests.differential.oddities import (
    auth,
    cached,
    calendar,
    charset,
    echo,
    encoded,
    feed,
    flaky,
    forms,
    headers,
    links,
    private,
    redirect,
    refresh,
    robots,
    sitemap,
    status,
)
from tests.differential.pages import (
    Handler,
    Visits,
    account,
    api,
    as_json,
    author,
    books,
    cookies,
    files,
    login,
    logout,
    media,
    not_found,
    quotes,
)

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
ROUTES: dict[str, Handler] = {
    "quotes": quotes,
    "author": author,
    "books": books,
    "media": media,
    "files": files,
    "login": login,
    "account": account,
    "logout": logout,
    "cookies": cookies,
    "api": api,
    "redirect": redirect,
    "refresh": refresh,
    "status": status,
    "flaky": flaky,
    "enc": encoded,
    "charset": charset,
    "feed": feed,
    "calendar": calendar,
    "headers": headers,
    "echo": echo,
    "auth": auth,
    "cached": cached,
    "links": links,
    "forms": forms,
    "private": private,
    "robots.txt": robots,
}


class Site:
    """The function that answers, with its memory."""

    def __init__(self) -> None:
        self._visits = Visits()

    def __call__(self, request: SiteRequest) -> SiteResponse:
        if request.path == "/_reset":
            self._visits = Visits()
            return as_json("ok")
        if request.path == "/_log":
            return as_json(self._visits.log)
        self._visits.log.append(
            {
                "method": request.method,
                "url": f"http://{request.headers.get('host')}{request.target}",
                "headers": request.headers,
                "body": request.body.decode("latin-1"),
            }
        )
        first, *rest = request.path[1:].split("/")
        if first.startswith("sitemap"):
            return sitemap(self._visits, request, rest)
        handler = ROUTES.get(first)
        try:
            return handler(self._visits, request, [part for part in rest if part]) if handler else not_found()
        except (KeyError, ValueError, IndexError):
            return not_found()


def main() -> None:
    with SiteServer(Site(), hosts=HOSTS, port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
