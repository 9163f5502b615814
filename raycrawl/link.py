"""``Link``: what a link extractor finds."""

from __future__ import annotations


class Link:
    """A link of a page.

    Args:
        url: the absolute URL that the link points to.
        text: the text of the element, as it stands in the page (white space included).
        fragment: the part of the address after ``#``, when it was split off.
        nofollow: whether ``rel`` of the element contains ``nofollow``.

    Links with the same four values are equal and hash alike. Raises ``TypeError`` when ``url`` is not a ``str``.
    """

    __slots__ = ("fragment", "nofollow", "text", "url")

    def __init__(self, url: str, text: str = "", fragment: str = "", nofollow: bool = False) -> None:
        if not isinstance(url, str):
            raise TypeError(f"Link urls must be str objects, got {type(url).__name__}: {url!r}")
        self.url = url
        self.text = text
        self.fragment = fragment
        self.nofollow = nofollow

    def _key(self) -> tuple[str, str, str, bool]:
        return (self.url, self.text, self.fragment, self.nofollow)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Link):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Link(url={self.url!r}, text={self.text!r}, fragment={self.fragment!r}, nofollow={self.nofollow!r})"


__all__ = ["Link"]
