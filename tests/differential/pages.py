"""The ordinary pages of the site: quotes, books, a login, an API, files; deterministic, so that two crawls see the same."""

# ruff: noqa: E501, RUF021  (HTML in one line reads better than HTML in pieces)

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qsl, unquote

from raycrawl.testing import SiteRequest, SiteResponse

AUTHORS = ("Ada Lovelace", "Blaise Pascal", "Carl Gauss", "Émile Zola")
TAGS = ("life", "love", "numbers", "truth", "books & more")
N_QUOTES = 47
Handler = Callable[["Visits", SiteRequest, list[str]], SiteResponse]


class Visits:
    """What the site remembers: the log, how often each path was asked for, sessions."""

    def __init__(self) -> None:
        self.log: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, str] = {}


def page(
    body: str, title: str = "A page", status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> SiteResponse:
    text = f"<!doctype html><html><head><title>{escape(title)}</title></head><body>{body}</body></html>"
    return SiteResponse(body=text.encode(), status=status, headers=list(headers))


def as_json(value: object, status: int = 200) -> SiteResponse:
    return SiteResponse(body=json.dumps(value).encode(), status=status, content_type="application/json")


def not_found() -> SiteResponse:
    return page("<h1>Not found</h1>", "404", status=404)


def tags_of(number: int) -> list[str]:
    return sorted({TAGS[number % 5], TAGS[(number * 3 + 1) % 5]})


def quote(number: int) -> dict[str, object]:
    return {"text": f"Saying number {number} – “quoted”", "author": AUTHORS[number % 4], "tags": tags_of(number)}


def slug(text: str) -> str:
    return text.replace(" ", "-").replace("&", "and")


def quotes(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/quotes/, /quotes/page/N/, /quotes/tag/T/page/N/"""
    tag = unquote(rest[1]) if rest[:1] == ["tag"] else None
    number = int(rest[rest.index("page") + 1]) if "page" in rest else 1
    chosen = [quote(i) for i in range(N_QUOTES) if tag is None or tag in [slug(t) for t in tags_of(i)]]
    shown = chosen[(number - 1) * 10 : number * 10]
    root = f"/quotes/tag/{tag}/" if tag else "/quotes/"
    rows = "".join(quote_row(each) for each in shown)
    last = (len(chosen) + 9) // 10
    links = (
        f'<li class="next"><a href="{root}page/{number + 1}/">Next <span>&rarr;</span></a></li>'
        if number < last
        else ""
    )
    if number > 1:
        links = f'<li class="previous"><a href="{root}page/{number - 1}/">Previous</a></li>' + links
    return page(f'<a href="/quotes/">home</a> <a href="/login">Login</a>{rows}<nav><ul>{links}</ul></nav>', "Quotes")


def quote_row(each: dict[str, object]) -> str:
    tags = "".join(f'<a class="tag" href="/quotes/tag/{slug(t)}/page/1/">{escape(t)}</a> ' for t in each["tags"])  # type: ignore[attr-defined]
    author = str(each["author"])
    return (
        f'<div class="quote"><span class="text">{escape(str(each["text"]))}</span>\n'
        f'<span>by <small class="author">{author}</small> <a href="/author/{slug(author)}">(about)</a></span>'
        f'<div class="tags">{tags}</div></div>'
    )


def author(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    name = unquote(rest[0]).replace("-", " ")
    if not request.target.endswith("/"):
        return SiteResponse(status=308, headers=[("Location", request.target + "/")])
    year = 1600 + len(name) * 10
    return page(
        f'<h3 class="author-title">{name}\n    </h3><span class="born">  {year} </span><p class="bio">Was born, and &amp; died.</p>',
        name,
    )


def books(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/books/page-N.html, /books/CATEGORY/book_I.html: 4 pages of 6 books"""
    if rest and rest[0].startswith("page-") or rest in ([""], ["index.html"], []):
        number = int(rest[0][5:-5]) if rest and rest[0].startswith("page-") else 1
        cards = "".join(book_card(i) for i in range(number * 6 - 6, number * 6))
        cats = '<ul class="side"><li><a href="travel/index.html">Travel</a><li><a href="mystery/index.html">Mystery</a></ul>'
        link = f'<a class="next" href="page-{number + 1}.html?utm=1#top">next</a>' if number < 4 else ""
        return page(cats + cards + link, f"Books {number}")
    if rest[1] == "index.html":
        mine = [i for i in range(24) if ("travel", "mystery")[i % 2] == rest[0]]
        return page("".join(book_card(i).replace('href="', 'href="../') for i in mine), rest[0])
    number = int(rest[1][5:-5])
    image = f'<div id="gallery"><img src="../../media/{number % 3}.png" alt=""></div>'
    stock = '<p class="availability">\n   In stock (22 available)\n </p>'
    facts = f"<table><tr><th>UPC</th><td>upc-{number:04}</td></tr><tr><th>Tax</th><td>£0.{number:02}</td></tr></table>"
    pdf = f'<a class="pdf" href="/files/{number % 4}.pdf">manual</a>'
    return page(
        f'<h1>Book {number}</h1><p class="price">£{number + 0.99:.2f}</p>{image}{stock}{facts}{pdf}', f"Book {number}"
    )


def book_card(number: int) -> str:
    category = ("travel", "mystery")[number % 2]
    return (
        f'<article class="product_pod"><h3><a href="{category}/book_{number}.html" title="Book {number}">Book..</a></h3>'
        f'<p class="star-rating {("One", "Two", "Three")[number % 3]}"></p><p class="price_color">£{number + 0.99:.2f}</p></article>'
    )


def png(number: int) -> bytes:
    width, height = 60 + 20 * number, 80

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes((number * 50, x % 256, 99)[k] for x in range(width) for k in range(3)) for _ in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def media(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "bad.png":
        return SiteResponse(body=b"no image at all", content_type="image/png")
    if rest[0] == "gone.png":
        return not_found()
    return SiteResponse(body=png(int(rest[0][0])), content_type="image/png")


def files(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "3.pdf":
        return not_found()
    if rest[0] == "moved.pdf":
        return SiteResponse(status=302, headers=[("Location", "/files/1.pdf")])
    return SiteResponse(body=f"%PDF-1.4 file {rest[0]}".encode() * 9, content_type="application/pdf")


def token_of(session: str) -> str:
    return hashlib.sha1(session.encode()).hexdigest()[:12]


def cookies_of(request: SiteRequest) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}


def login(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    session = cookies_of(request).get("session")
    if request.method == "GET":
        session = session or f"s{len(visits.sessions) + 1}"
        visits.sessions.setdefault(session, "")
        form = (
            '<form id="search" action="/headers" method="get"><input type="text" name="q" value=""></form>'
            '<form action="/login" method="post" accept-charset="utf-8">'
            f'<input type="hidden" name="csrf_token" value="{token_of(session)}">'
            '<input type="text" class="form-control" id="username" name="username">'
            '<input type="password" name="password"><input type="checkbox" name="remember" checked>'
            '<input type="checkbox" name="spam" value="yes"><select name="lang"><option value="en">E<option value="de" selected>D</select>'
            '<textarea name="note">\nhello</textarea><input type="radio" name="r" value="1"><input type="radio" name="r" value="2" checked>'
            '<input type="submit" name="go" value="Login"><input type="submit" name="cancel" value="Cancel"><input type="image" name="im">'
            '<input type="reset" name="rst" value="x"></form>'
        )
        return page(form, "Login", headers=(("Set-Cookie", f"session={session}; Path=/; HttpOnly"),))
    given = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    if session is None or given.get("csrf_token") != token_of(session) or given.get("password") != "secret":
        return page('<p class="error">wrong</p>', "Login", status=200)
    visits.sessions[session] = given.get("username", "")
    user = given.get("username", "")
    return SiteResponse(
        status=302, headers=[("Location", "/account"), ("Set-Cookie", f"user={user}; Path=/; Max-Age=3600")]
    )


def account(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    user = visits.sessions.get(cookies_of(request).get("session", ""))
    if not user:
        return SiteResponse(status=302, headers=[("Location", "/login")])
    return page(f'<p id="user">{escape(user)}</p><a href="/logout">Logout</a>', "Account")


def logout(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    gone = "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    return page("bye", "Logout", headers=(("Set-Cookie", gone), ("Set-Cookie", "user=; Max-Age=0; Path=/")))


def cookies(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/cookies/set?a=b sets all of the query; /cookies/redirect too, and redirects; /cookies/echo tells"""
    setting = [("Set-Cookie", f"{name}={value}; Path=/cookies") for name, value in request.query.items()]
    if rest[0] == "redirect":
        return SiteResponse(status=302, headers=[*setting, ("Location", "/cookies/echo?from=redirect")])
    if rest[0] == "set":
        return page("set", headers=tuple(setting))
    return as_json(cookies_of(request))


def api(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "search":
        asked = json.loads(request.body or b"{}")
        return as_json(
            {
                "asked": asked,
                "type": request.headers.get("content-type"),
                "xhr": request.headers.get("x-requested-with"),
            }
        )
    number = int(request.query.get("page", "1"))
    shown = [quote(i) for i in range(number * 10 - 10, min(number * 10, N_QUOTES))]
    return as_json({"page": number, "has_next": number * 10 < N_QUOTES, "quotes": shown})
