"""Sets the ``Referer`` header of requests from the page that they were found on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import NotConfigured, ScrapyDeprecationWarning
from raycrawl.extension import is_plain_process
from raycrawl.http import Request, Response
from raycrawl.middleware import component_list
from raycrawl.spidermiddlewares.base import BaseSpiderMiddleware, Step
from raycrawl.spidermiddlewares.referrer_policies import (
    LOCAL_SCHEMES,
    POLICY_NO_REFERRER,
    POLICY_NO_REFERRER_WHEN_DOWNGRADE,
    POLICY_ORIGIN,
    POLICY_ORIGIN_WHEN_CROSS_ORIGIN,
    POLICY_SAME_ORIGIN,
    POLICY_SCRAPY_DEFAULT,
    POLICY_STRICT_ORIGIN,
    POLICY_STRICT_ORIGIN_WHEN_CROSS_ORIGIN,
    POLICY_UNSAFE_URL,
    STANDARD_POLICIES,
    DefaultReferrerPolicy,
    NoReferrerPolicy,
    NoReferrerWhenDowngradePolicy,
    OriginPolicy,
    OriginWhenCrossOriginPolicy,
    ReferrerPolicy,
    SameOriginPolicy,
    StrictOriginPolicy,
    StrictOriginWhenCrossOriginPolicy,
    UnsafeUrlPolicy,
)
from raycrawl.utils.misc import build_from_crawler, load_object
from raycrawl.utils.python import to_unicode

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.settings import BaseSettings

__all__ = [
    "LOCAL_SCHEMES", "POLICY_NO_REFERRER", "POLICY_NO_REFERRER_WHEN_DOWNGRADE", "POLICY_ORIGIN",
    "POLICY_ORIGIN_WHEN_CROSS_ORIGIN", "POLICY_SAME_ORIGIN", "POLICY_SCRAPY_DEFAULT", "POLICY_STRICT_ORIGIN",
    "POLICY_STRICT_ORIGIN_WHEN_CROSS_ORIGIN", "POLICY_UNSAFE_URL",
    "DefaultReferrerPolicy", "NoReferrerPolicy", "NoReferrerWhenDowngradePolicy", "OriginPolicy",
    "OriginWhenCrossOriginPolicy", "RefererMiddleware", "ReferrerPolicy", "SameOriginPolicy", "StrictOriginPolicy",
    "StrictOriginWhenCrossOriginPolicy", "UnsafeUrlPolicy",
]  # fmt: skip

# Their answer depends on nothing of the target but its scheme, host and port.
_ORIGIN_BOUND = frozenset(STANDARD_POLICIES)
_UNSEEN = object()


class RefererMiddleware(BaseSpiderMiddleware):
    """Sets ``Referer`` where the request has none, as the referrer policy allows.

    The policy is, first match wins: ``meta["referrer_policy"]`` of the request, the ``Referrer-Policy`` header of the
    response, ``REFERRER_POLICY``. Settings and meta are the user's words and may name a class by its import path; the
    header is data from the web: only a known name counts, and nothing is ever imported for it.

    Args:
        settings: reads ``REFERRER_POLICY`` and ``REFERRER_POLICIES`` (name -> class or import path, None: unknown).

    Raises:
        RuntimeError: ``REFERRER_POLICY`` names no policy.
    """

    crawler: Crawler

    def __init__(self, settings: BaseSettings | None = None) -> None:
        self.default_policy: type[ReferrerPolicy] = DefaultReferrerPolicy
        self.policies: dict[str, type[ReferrerPolicy]] = {policy.name: policy for policy in STANDARD_POLICIES}
        # The empty value means the standard's fallback (W3C Referrer Policy, 3.9).
        self.policies[""] = NoReferrerWhenDowngradePolicy
        self._instances: dict[type[ReferrerPolicy], ReferrerPolicy] = {}
        if settings is None:
            return
        for name, policy in settings.getdict("REFERRER_POLICIES").items():
            if policy is None:
                self.policies.pop(name.lower(), None)
            else:
                self.policies[name.lower()] = load_object(policy)
        default = settings.get("REFERRER_POLICY")
        if default is not None:
            self.default_policy = self._named_policy(default)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawler.settings.getbool("REFERER_ENABLED"):
            raise NotConfigured
        middleware = cls(crawler.settings)
        middleware.crawler = crawler
        return middleware

    def policy(
        self, response: Response | str | None = None, request: Request | None = None, **kwargs: Any
    ) -> ReferrerPolicy:
        """The policy for ``request``, found on ``response``; the URL of a page (deprecated) has no header to read."""
        response = kwargs.pop("resp_or_url", response)
        if kwargs or response is None or request is None:
            raise TypeError(f"policy() takes a response and a request, got {response!r}, {request!r} and {kwargs!r}")
        if not isinstance(response, Response):
            warnings.warn(
                "RefererMiddleware.policy() wants a Response, not a URL", ScrapyDeprecationWarning, stacklevel=2
            )
        return self._instance(self._request_policy(request) or self._response_policy(response))

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        if response is None:
            return request
        referrer = self.policy(response, request).referrer(response.url, request.url)
        if referrer is not None:
            request.headers.setdefault("Referer", referrer)
        return request

    def request_step(self, response: Response | None) -> Step | None:
        if response is None:
            return None
        if self._overrides_policy():
            return super().request_step(response)
        policy = self._instance(self._response_policy(response))
        single = self.get_processed_request
        response_url = response.url
        is_origin_bound = type(policy) in _ORIGIN_BOUND
        known: dict[str, Any] = {}

        def step(request: Request) -> Request | None:
            if request._meta and "referrer_policy" in request._meta:  # meta would make a dict for every link
                return single(request, response)
            url = request.url
            # "https://" has 8 characters: what comes before the next slash is the target's origin.
            end = url.find("/", 8)
            origin = url[:end] if end > 0 else url
            referrer = known.get(origin, _UNSEEN)
            if referrer is _UNSEEN:
                told = policy.referrer(response_url, url)
                referrer = None if told is None else told.encode()
                if is_origin_bound and url.startswith(("http://", "https://")):
                    known[origin] = referrer
            if referrer is not None:
                # Name and value are as Headers stores them: its own setdefault() would normalise them once per link.
                dict.setdefault(request.headers, b"Referer", [referrer])
            return request

        return step

    def _overrides_policy(self) -> bool:
        return "policy" in vars(self) or type(self).policy is not RefererMiddleware.policy

    def _request_policy(self, request: Request) -> type[ReferrerPolicy] | None:
        wanted = request.meta.get("referrer_policy")
        if wanted is None:
            return None
        try:
            return self._named_policy(wanted)
        except RuntimeError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=4)
            return self.default_policy

    def _response_policy(self, response: Response | str) -> type[ReferrerPolicy]:
        header = response.headers.get("Referrer-Policy") if isinstance(response, Response) else None
        if header is None:
            return self.default_policy
        value = to_unicode(header, "latin1")
        # Servers list fallbacks for older browsers first: the last name that is known counts (W3C 8.1).
        for name in reversed(value.split(",")):
            found = self.policies.get(name.strip().lower())
            if found is not None:
                return found
        warnings.warn(
            f"Could not load referrer policy {value!r} (a Referrer-Policy header may only name a known policy)",
            RuntimeWarning,
            stacklevel=4,
        )
        return self.default_policy

    def _named_policy(self, wanted: Any) -> type[ReferrerPolicy]:
        """The policy of a name, an import path or a class that the user gave."""
        if isinstance(wanted, str):
            found = self.policies.get(wanted.strip().lower())
            if found is not None:
                return found
        try:
            loaded: type[ReferrerPolicy] = load_object(wanted)
        except (ValueError, NameError, ImportError) as error:
            raise RuntimeError(f"Could not load referrer policy {wanted!r}") from error
        return loaded

    def _instance(self, policy: type[ReferrerPolicy]) -> ReferrerPolicy:
        instance = self._instances.get(policy)
        if instance is None:
            instance = self._instances[policy] = policy()
        return instance


def referer_of_redirects(crawler: Crawler) -> RefererMiddleware | None:
    """What sets the Referer of redirected requests, where there may be no spider middlewares: in a Downloader.

    Returns:
        The crawl's RefererMiddleware (or the subclass that the settings name); None when it is off, or when this
        crawler is not part of a crawl.
    """
    if is_plain_process(crawler):
        return None
    for entry in component_list(crawler.settings, "SPIDER_MIDDLEWARES"):
        component = load_object(entry)
        if isinstance(component, type) and issubclass(component, RefererMiddleware):
            try:
                return build_from_crawler(component, crawler)
            except NotConfigured:
                return None
    return None
