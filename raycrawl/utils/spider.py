"""Finding spider classes, and going through what a callback gave."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from raycrawl.spiders import Spider
from raycrawl.utils.misc import arg_to_iter

if TYPE_CHECKING:
    from raycrawl.http import Request

logger = logging.getLogger(__name__)


class DefaultSpider(Spider):
    """The spider for requests that belong to none, e.g. of the shell."""

    name = "default"


def iterate_spider_output(result: Any) -> Any:
    """A callback's result as something for ``for`` or ``async for``; a coroutine is returned as it is."""
    if inspect.isasyncgen(result) or inspect.iscoroutine(result):
        return result
    return arg_to_iter(result)


def iter_spider_classes(module: ModuleType) -> Iterator[type[Spider]]:
    """The spider classes that ``module`` itself defines and that have a name."""
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and issubclass(value, Spider)
            and value.__module__ == module.__name__
            and getattr(value, "name", None)
        ):
            yield value


def spidercls_for_request(
    spider_loader: Any,
    request: Request,
    default_spidercls: type[Spider] | None = None,
    log_none: bool = False,
    log_multiple: bool = False,
) -> type[Spider] | None:
    """The one spider class that handles ``request``; ``default_spidercls`` when there is none or more than one."""
    names: list[str] = list(spider_loader.find_by_request(request))
    if len(names) == 1:
        found: type[Spider] = spider_loader.load(names[0])
        return found
    if len(names) > 1 and log_multiple:
        logger.error("Several spiders handle %s: %s", request, ", ".join(names))
    if not names and log_none:
        logger.error("No spider handles %s", request)
    return default_spidercls
