"""Selectors: extracting data from responses with CSS, XPath and JMESPath (on top of parsel)."""

from raycrawl.selector.unified import Selector, SelectorList

__all__ = ["Selector", "SelectorList"]
