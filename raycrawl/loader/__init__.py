"""``ItemLoader``: filling items field by field, with processors (itemloaders, made for responses)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import itemloaders

from raycrawl.item import Item
from raycrawl.selector import Selector

if TYPE_CHECKING:
    from re import Pattern

    from raycrawl.http import TextResponse


class ItemLoader(itemloaders.ItemLoader):
    """Collects values for the fields of an item, and fills it in with ``load_item``.

    Args:
        item: the item to fill (anything that ``itemadapter`` knows); by default one of ``default_item_class``. Values
            it has count as collected.
        selector: where ``add_css``, ``add_xpath`` and ``add_jmes`` look.
        response: makes the selector (by ``default_selector_class``) when none is given.
        parent: the loader that a nested one belongs to.
        context: what processors that take a ``loader_context`` argument get to see.

    Attributes:
        item: the item being filled.
        context: the loader's context: ``item``, ``selector``, ``response`` and what was given.
        default_input_processor, default_output_processor: for fields without one of their own (``NAME_in``,
            ``NAME_out``, or ``input_processor``, ``output_processor`` in the metadata of the field).

    Raises:
        ValueError: a processor failed; the message names the field and the processor.
        RuntimeError: a selector is needed and there is none.
    """

    default_item_class: type = Item
    default_selector_class: type = Selector

    def __init__(
        self,
        item: Any = None,
        selector: Selector | None = None,
        response: TextResponse | None = None,
        parent: itemloaders.ItemLoader | None = None,
        **context: Any,
    ) -> None:
        if selector is None and response is not None:
            try:
                selector = self.default_selector_class(response)
            except AttributeError:  # a binary response: values can still be added
                selector = None
        context.update(response=response)
        super().__init__(item=item, selector=selector, parent=parent, **context)

    def add_value(
        self,
        field_name: str | None,
        value: Any,
        *processors: Callable[..., Any],
        re: str | Pattern[str] | None = None,
        **kw: Any,
    ) -> Self:
        """Collect ``value`` for a field, after ``processors`` and the field's input processor.

        ``field_name`` None takes a dict of values by field. ``re`` extracts before all processors.
        """
        with _naming(field_name):
            super().add_value(field_name, value, *processors, re=re, **kw)
        return self

    def replace_value(
        self,
        field_name: str | None,
        value: Any,
        *processors: Callable[..., Any],
        re: str | Pattern[str] | None = None,
        **kw: Any,
    ) -> Self:
        """Like ``add_value``, in place of what was collected for the field."""
        with _naming(field_name):
            super().replace_value(field_name, value, *processors, re=re, **kw)
        return self

    def get_output_value(self, field_name: str) -> Any:
        """The values collected for a field, after its output processor."""
        try:
            return super().get_output_value(field_name)
        except ValueError as error:
            name = _processor_name(self.get_output_processor(field_name))
            raise ValueError(f"{error} (output processor: {name})") from error


@contextmanager
def _naming(field_name: str | None) -> Iterator[None]:
    """Name the field in the error of a processor that was not told it."""
    try:
        yield
    except ValueError as error:
        if "field=" in str(error):
            raise
        raise ValueError(f"Error with field={field_name!r}: {error}") from error


def _processor_name(processor: Any) -> str:
    return getattr(processor, "__qualname__", None) or type(processor).__name__


__all__ = ["ItemLoader"]
