"""The referrer policies: what a request may tell its target about the page it was found on.

Source: W3C Referrer Policy (https://www.w3.org/TR/referrer-policy/), section 8.2 and the table of section 3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from raycrawl.utils.url import strip_url

# A document of one of these schemes has no location that could be told (W3C Referrer Policy, 8.4).
LOCAL_SCHEMES: tuple[str, ...] = ("about", "blob", "data", "filesystem")

POLICY_NO_REFERRER = "no-referrer"
POLICY_NO_REFERRER_WHEN_DOWNGRADE = "no-referrer-when-downgrade"
POLICY_SAME_ORIGIN = "same-origin"
POLICY_ORIGIN = "origin"
POLICY_STRICT_ORIGIN = "strict-origin"
POLICY_ORIGIN_WHEN_CROSS_ORIGIN = "origin-when-cross-origin"
POLICY_STRICT_ORIGIN_WHEN_CROSS_ORIGIN = "strict-origin-when-cross-origin"
POLICY_UNSAFE_URL = "unsafe-url"
POLICY_SCRAPY_DEFAULT = "scrapy-default"


def _scheme(url: str) -> str:
    return url.partition(":")[0].strip().lower()


class ReferrerPolicy(ABC):
    """Subclass this for a policy of your own; ``referrer`` is all that it needs.

    Attributes:
        name: how settings, ``meta["referrer_policy"]`` and the ``Referrer-Policy`` header call it.
        NOREFERRER_SCHEMES: pages of these schemes are never told about.
    """

    NOREFERRER_SCHEMES: tuple[str, ...] = LOCAL_SCHEMES
    name: str

    @abstractmethod
    def referrer(self, response_url: str, request_url: str) -> str | None:
        """What a request for ``request_url`` tells about ``response_url``; None: nothing."""
        raise NotImplementedError

    def stripped_referrer(self, url: str) -> str | None:
        """``url`` without credentials, fragment and default port, None when its scheme is never told."""
        return None if _scheme(url) in self.NOREFERRER_SCHEMES else self.strip_url(url)

    def origin_referrer(self, url: str) -> str | None:
        """Only scheme, host and port of ``url``, None when its scheme is never told."""
        return None if _scheme(url) in self.NOREFERRER_SCHEMES else self.origin(url)

    def strip_url(self, url: str, origin_only: bool = False) -> str | None:
        """``url`` without what must not leave: credentials and fragment; the default port goes as well."""
        if not url:
            return None
        return strip_url(
            url, strip_credentials=True, strip_fragment=True, strip_default_port=True, origin_only=origin_only
        )

    def origin(self, url: str) -> str | None:
        """Scheme, host and port of ``url`` with a slash, e.g. ``"https://example.com/"``."""
        return self.strip_url(url, origin_only=True)

    def potentially_trustworthy(self, url: str) -> bool:
        """True when what is sent to ``url`` travels encrypted."""
        return _scheme(url) not in LOCAL_SCHEMES and self.tls_protected(url)

    def tls_protected(self, url: str) -> bool:
        """True when the scheme of ``url`` is an encrypted one."""
        return _scheme(url) in ("https", "ftps")

    def _is_downgrade(self, response_url: str, request_url: str) -> bool:
        return self.tls_protected(response_url) and not self.potentially_trustworthy(request_url)

    def _is_same_origin(self, response_url: str, request_url: str) -> bool:
        return self.origin(response_url) == self.origin(request_url)


class NoReferrerPolicy(ReferrerPolicy):
    """Never tells anything."""

    name = POLICY_NO_REFERRER

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return None


class NoReferrerWhenDowngradePolicy(ReferrerPolicy):
    """The whole URL, except from an encrypted page to a target that is not."""

    name = POLICY_NO_REFERRER_WHEN_DOWNGRADE

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return None if self._is_downgrade(response_url, request_url) else self.stripped_referrer(response_url)


class SameOriginPolicy(ReferrerPolicy):
    """The whole URL within an origin, nothing outside."""

    name = POLICY_SAME_ORIGIN

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return self.stripped_referrer(response_url) if self._is_same_origin(response_url, request_url) else None


class OriginPolicy(ReferrerPolicy):
    """The origin, always."""

    name = POLICY_ORIGIN

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return self.origin_referrer(response_url)


class StrictOriginPolicy(ReferrerPolicy):
    """The origin, except from an encrypted page to a target that is not."""

    name = POLICY_STRICT_ORIGIN

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return None if self._is_downgrade(response_url, request_url) else self.origin_referrer(response_url)


class OriginWhenCrossOriginPolicy(ReferrerPolicy):
    """The whole URL within an origin, the origin outside."""

    name = POLICY_ORIGIN_WHEN_CROSS_ORIGIN

    def referrer(self, response_url: str, request_url: str) -> str | None:
        if self._is_same_origin(response_url, request_url):
            return self.stripped_referrer(response_url)
        return self.origin_referrer(response_url)


class StrictOriginWhenCrossOriginPolicy(ReferrerPolicy):
    """The whole URL within an origin, the origin outside, nothing on a downgrade."""

    name = POLICY_STRICT_ORIGIN_WHEN_CROSS_ORIGIN

    def referrer(self, response_url: str, request_url: str) -> str | None:
        if self._is_same_origin(response_url, request_url):
            return self.stripped_referrer(response_url)
        return None if self._is_downgrade(response_url, request_url) else self.origin_referrer(response_url)


class UnsafeUrlPolicy(ReferrerPolicy):
    """The whole URL, always, even from an encrypted page to a target that is not."""

    name = POLICY_UNSAFE_URL

    def referrer(self, response_url: str, request_url: str) -> str | None:
        return self.stripped_referrer(response_url)


class DefaultReferrerPolicy(NoReferrerWhenDowngradePolicy):
    """``no-referrer-when-downgrade``, and ``file://`` and ``s3://`` pages are never told about."""

    name = POLICY_SCRAPY_DEFAULT
    NOREFERRER_SCHEMES: tuple[str, ...] = (*LOCAL_SCHEMES, "file", "s3")


STANDARD_POLICIES: tuple[type[ReferrerPolicy], ...] = (
    NoReferrerPolicy,
    NoReferrerWhenDowngradePolicy,
    SameOriginPolicy,
    OriginPolicy,
    StrictOriginPolicy,
    OriginWhenCrossOriginPolicy,
    StrictOriginWhenCrossOriginPolicy,
    UnsafeUrlPolicy,
    DefaultReferrerPolicy,
)
