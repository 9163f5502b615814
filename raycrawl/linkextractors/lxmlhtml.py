"""``LxmlLinkExtractor``, the link extractor, and the bare parser below it.

The filters are put together once, when the extractor is made, as a list of functions of a URL; extracting asks them in
the order of their cost. Nothing is parsed twice: URLs come out of the join normalized, so host and path are found by
searching for slashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, Any, TypeAlias

from parsel.csstranslator import HTMLTranslator
from w3lib.url import canonicalize_url

from raycrawl.linkextractors import IGNORED_EXTENSIONS
from raycrawl.linkextractors.filters import UrlCheck, any_match, domain_check, extension_check, no_match
from raycrawl.linkextractors.scan import Found, Names, Predicate, Scanner, make_link
from raycrawl.utils.misc import arg_to_iter
from raycrawl.utils.url import url_is_from_any_domain

if TYPE_CHECKING:
    from raycrawl.http import TextResponse
    from raycrawl.link import Link

RegexT: TypeAlias = "str | re.Pattern[str]"
# What scans of one page found, by root and scanner: extractors that look at the same elements share them.
Scans: TypeAlias = "dict[tuple[Any, ...], list[Found]]"

_SCHEMES = ("http://", "https://", "file://", "ftp://")
_css_translator = HTMLTranslator()


def _compiled(value: RegexT | Iterable[RegexT] | None) -> list[re.Pattern[str]]:
    return [re.compile(regex) if isinstance(regex, str) else regex for regex in arg_to_iter(value)]


def _root_of(response: TextResponse) -> Any:
    """The root element of ``response``; None for one without a tree (JSON)."""
    selector = response.selector
    return selector.root if selector.type in ("html", "xml") else None


def _canonical_with_fragment(link: Link) -> str:
    return str(canonicalize_url(link.url, keep_fragments=True))


class LxmlParserLinkExtractor:
    """Every link of a page, unfiltered.

    Args:
        tag: an element's name, or a function that says of a name whether it counts.
        attr: the same for attributes.
        process: is given each address, and returns the one to use, or None to skip it.
        unique: leave out links whose URL was found before (the canonical URL, unless ``canonicalized`` says that URLs
            are compared as they are).
        strip: strip white space around addresses before ``process`` sees them.
    """

    def __init__(
        self,
        tag: str | Predicate = "a",
        attr: str | Predicate = "href",
        process: Callable[[Any], Any] | None = None,
        unique: bool = False,
        strip: bool = True,
        canonicalized: bool = False,
    ) -> None:
        self.scan_tag: Predicate = tag if callable(tag) else partial(eq, tag)
        self.scan_attr: Predicate = attr if callable(attr) else partial(eq, attr)
        self.process_attr = process
        self.unique = unique
        self.strip = strip
        self.canonicalized = canonicalized
        tags = tag if callable(tag) else Names(frozenset((tag,)))
        attrs = attr if callable(attr) else Names(frozenset((attr,)))
        self.scanner = Scanner(tags, attrs, process, strip)

    def extract_links(self, response: TextResponse) -> list[Link]:
        """The links of ``response``, in document order."""
        root = _root_of(response)
        if root is None:
            return []
        links = [make_link(url, element) for url, element in self.scanner.scan(root, response)]
        if not self.unique:
            return links
        key: Callable[[Link], str] = (lambda link: link.url) if self.canonicalized else _canonical_with_fragment
        first: dict[str, Link] = {}
        for link in links:
            first.setdefault(key(link), link)
        return list(first.values())


class LxmlLinkExtractor:
    """Extracts the links of a page that pass its filters.

    Args:
        allow: regular expressions, or one: the absolute URL has to match (``search``) at least one. None: all do.
        deny: regular expressions, or one, of URLs to leave out; it beats ``allow``.
        allow_domains, deny_domains: domains, or one; subdomains belong to them.
        restrict_xpaths, restrict_css: XPath or CSS expressions, or one, of the regions of the page to look in.
        tags, attrs: the elements, and their attributes, that hold addresses; ``"*"`` means every one.
        canonicalize: make URLs canonical (``w3lib.url.canonicalize_url``), which a server may take for others.
        unique: give each URL once.
        process_value: is given each address, joined with the base URL, and returns the one to use, or None to skip it.
        deny_extensions: endings of paths to leave out, or one; default ``IGNORED_EXTENSIONS``.
        strip: strip white space around addresses, as HTML says.
        restrict_text: regular expressions, or one: the text of the element has to match at least one.
        deny_tags, deny_attrs: names that do not count, although ``tags`` or ``attrs`` has them (or ``"*"``).

    Raises:
        re.error: an argument is not a regular expression.
    """

    def __init__(
        self,
        allow: RegexT | Iterable[RegexT] = (),
        deny: RegexT | Iterable[RegexT] = (),
        allow_domains: str | Iterable[str] = (),
        deny_domains: str | Iterable[str] = (),
        restrict_xpaths: str | Iterable[str] = (),
        tags: str | Iterable[str] | None = ("a", "area"),
        attrs: str | Iterable[str] | None = ("href",),
        canonicalize: bool = False,
        unique: bool = True,
        process_value: Callable[[Any], Any] | None = None,
        deny_extensions: str | Iterable[str] | None = None,
        restrict_css: str | Iterable[str] = (),
        strip: bool = True,
        restrict_text: RegexT | Iterable[RegexT] | None = None,
        deny_tags: str | Iterable[str] = (),
        deny_attrs: str | Iterable[str] = (),
    ) -> None:
        self.allow_res = _compiled(allow)
        self.deny_res = _compiled(deny)
        self.allow_domains = {domain.lower() for domain in arg_to_iter(allow_domains)}
        self.deny_domains = {domain.lower() for domain in arg_to_iter(deny_domains)}
        from_css = map(_css_translator.css_to_xpath, arg_to_iter(restrict_css))
        self.restrict_xpaths = (*arg_to_iter(restrict_xpaths), *from_css)
        self.canonicalize = canonicalize
        self.unique = unique
        extensions = IGNORED_EXTENSIONS if deny_extensions is None else arg_to_iter(deny_extensions)
        self.deny_extensions = {"." + extension for extension in extensions}
        self.restrict_text = _compiled(restrict_text)
        self.link_extractor = LxmlParserLinkExtractor(
            tag=Names.of(arg_to_iter(tags), arg_to_iter(deny_tags)),
            attr=Names.of(arg_to_iter(attrs), arg_to_iter(deny_attrs)),
            process=process_value,
            unique=unique,
            strip=strip,
            canonicalized=not canonicalize,
        )
        self._build_checks()

    def extract_links(self, response: TextResponse) -> list[Link]:
        """The links of ``response`` that pass the filters, in document order (region by region).

        Raises:
            AttributeError: ``response`` is not a text response.
            ValueError: ``restrict_xpaths`` selects something else than elements.
        """
        return self.extract_from(response, {})

    def extract_from(self, response: TextResponse, scans: Scans) -> list[Link]:
        """``extract_links``, sharing what other extractors found on the same page in ``scans``."""
        links: list[Link] = []
        seen: dict[str, None] = {}
        for number, root in enumerate(self._roots(response)):
            key = (self.restrict_xpaths, number, self.link_extractor.scanner.key())
            if (found := scans.get(key)) is None:
                found = scans[key] = self.link_extractor.scanner.scan(root, response)
            self._keep(found, seen, links)
        return links

    def _roots(self, response: TextResponse) -> list[Any]:
        if not self.restrict_xpaths:
            root = _root_of(response)
            return [] if root is None else [root]
        return [region.root for xpath in self.restrict_xpaths for region in response.xpath(xpath)]

    def _keep(self, found: list[Found], seen: dict[str, None], links: list[Link]) -> None:
        """Append the links of ``found``, one region's, that pass the filters."""
        checks = self._checks
        here: set[str] = set()  # within a region the first element with a URL stands for it, whatever its text
        for url, element in found:
            if url in here or not url.startswith(_SCHEMES):
                continue
            if self.unique:
                here.add(url)
            for check in checks:
                if not check(url):
                    break
            else:
                link = make_link(url, element)
                if self._text_check is not None and not self._text_check(link.text):
                    continue
                if self.canonicalize:
                    link.url = canonicalize_url(url)
                if self.unique:
                    if link.url in seen:
                        continue
                    seen[link.url] = None
                links.append(link)

    def matches(self, url: str) -> bool:
        """Whether ``url`` passes the filters on domains and regular expressions."""
        if self.allow_domains and not url_is_from_any_domain(url, self.allow_domains):
            return False
        if self.deny_domains and url_is_from_any_domain(url, self.deny_domains):
            return False
        allowed = not self.allow_res or any(regex.search(url) for regex in self.allow_res)
        return allowed and not any(regex.search(url) for regex in self.deny_res)

    def _build_checks(self) -> None:
        """Put together what a URL, and what a text, has to pass, cheapest first."""
        self._text_check = any_match(self.restrict_text) if self.restrict_text else None
        checks: list[UrlCheck] = []
        if self.deny_extensions:
            checks.append(extension_check(self.deny_extensions))
        if self.allow_domains or self.deny_domains:
            checks.append(domain_check(frozenset(self.allow_domains), frozenset(self.deny_domains)))
        if self.allow_res:
            checks.append(any_match(self.allow_res))
        if self.deny_res:
            checks.append(no_match(self.deny_res))
        self._checks = checks

    # Checks are closures over compiled patterns, which do not pickle; they are made again.
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_checks"], state["_text_check"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build_checks()


__all__ = ["LxmlLinkExtractor", "LxmlParserLinkExtractor"]
