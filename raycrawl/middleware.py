"""Chains of components, and how their hooks are called.

A hook may be a plain or an ``async`` function, with or without the older trailing ``spider`` argument. What it is is
found out once, when the chain is built (``bind_hook``), so that calling it costs nothing more.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from raycrawl.exceptions import NotConfigured, ScrapyDeprecationWarning
from raycrawl.utils.conf import build_component_list
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.settings import BaseSettings, Settings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class Hook(NamedTuple):
    """A component's method, ready to be called without ``spider``.

    Attributes:
        call: the callable; its result may be awaitable even when ``is_async`` is False (a plain function that
            returns a future).
        is_async: it is a coroutine function: the result always has to be awaited.
        is_asyncgen: it is an async generator function.
        owner: the component.
    """

    call: Callable[..., Any]
    is_async: bool
    is_asyncgen: bool
    owner: Any


_warned_classes: set[str] = set()


def _warn_older_spelling(component: Any, hook: str) -> None:
    """Once per class: what one hook says is true of the class's other hooks, too."""
    path = f"{type(component).__module__}.{type(component).__qualname__}"
    if path not in _warned_classes:
        _warned_classes.add(path)
        warnings.warn(
            f"{path}.{hook}() takes a spider argument, which is the older spelling: use crawler.spider, from "
            "from_crawler(), instead",
            ScrapyDeprecationWarning,
            stacklevel=4,
        )


def wants_spider(method: Callable[..., Any], arguments: int) -> bool | None:
    """Whether ``method`` takes a ``spider`` after its ``arguments`` positional arguments.

    Returns:
        True when it is required (the older spelling), None when it is optional, False when there is none.
    """
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return False
    for parameter in parameters:
        if parameter.name == "spider" and parameter.kind is not parameter.VAR_KEYWORD:
            return True if parameter.default is parameter.empty else None
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(positional) > arguments


def bind_hook(component: Any, name: str, arguments: int, get_spider: Callable[[], Any]) -> Hook | None:
    """The hook ``name`` of ``component``, None when it has none.

    Args:
        arguments: how many positional arguments it is called with, without ``spider``.
        get_spider: gives the spider, for hooks that take one; called at each call, since a spider may come later.
    """
    method = getattr(component, name, None)
    if method is None:
        return None
    is_async = inspect.iscoroutinefunction(method)
    is_asyncgen = inspect.isasyncgenfunction(method)
    wanted = wants_spider(method, arguments)
    if wanted is False:
        return Hook(method, is_async, is_asyncgen, component)
    if wanted and _is_users(component):
        _warn_older_spelling(component, name)
    by_name = "spider" in inspect.signature(method).parameters
    return Hook(_with_spider(method, get_spider, by_name), is_async, is_asyncgen, component)


def _with_spider(method: Callable[..., Any], get_spider: Callable[[], Any], by_name: bool) -> Callable[..., Any]:
    def by_keyword(*args: Any) -> Any:
        return method(*args, spider=get_spider())

    def by_position(*args: Any) -> Any:
        return method(*args, get_spider())

    return by_keyword if by_name else by_position


def _is_users(component: Any) -> bool:
    return not type(component).__module__.startswith("raycrawl.")


class MiddlewareManager:
    """A chain of components of one kind, in their order.

    ``methods`` maps the names of hooks to the bound hooks of the components that have them, as ``Hook`` tuples, in the
    order in which they are called. Subclasses say which in ``_add_middleware``.
    """

    component_name: str = "middleware"

    def __init__(self, *middlewares: Any, crawler: Crawler | None = None) -> None:
        self.crawler = crawler
        self.middlewares: tuple[Any, ...] = middlewares
        self._spider: Spider | None = None
        self.methods: dict[str, deque[Hook]] = defaultdict(deque)
        for middleware in middlewares:
            self._add_middleware(middleware)

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
        """The components (classes, import paths or instances) in the order of their priorities."""
        raise NotImplementedError(f"{cls.__name__} has to say which setting holds its components")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the components that the settings list. One that raises NotConfigured is left out, with a log line."""
        enabled: list[str] = []
        middlewares: list[Any] = []
        for entry in cls._get_mwlist_from_settings(crawler.settings):
            component_class = load_object(entry)
            try:
                middlewares.append(build_from_crawler(component_class, crawler))
            except NotConfigured as error:
                if error.args:
                    logger.warning("Disabled %s: %s", _path_of(entry), error.args[0], extra={"crawler": crawler})
                continue
            enabled.append(_path_of(entry))
        logger.info("Enabled %ss: %s", cls.component_name, ", ".join(enabled) or "none", extra={"crawler": crawler})
        manager = cls(*middlewares, crawler=crawler)
        crawler.register_chain(manager)
        return manager

    def _add_middleware(self, mw: Any) -> None:
        """Register the hooks of a component; here none: each kind has its own."""

    def _add_hook(self, name: str, mw: Any, arguments: int, first: bool = False) -> None:
        hook = bind_hook(mw, name, arguments, self.get_spider)
        if hook is not None:
            (self.methods[name].appendleft if first else self.methods[name].append)(hook)

    def get_spider(self) -> Spider | None:
        """The spider that hooks of the older spelling are given."""
        if self._spider is not None:
            return self._spider
        return None if self.crawler is None else self.crawler.spider

    def open_spider(self, spider: Spider | None = None) -> Any:
        """Call every ``open_spider`` hook; returns an awaitable for the async ones."""
        if spider is not None:
            self._spider = spider
        return run_hooks(self.methods["open_spider"])

    def close_spider(self, spider: Spider | None = None) -> Any:
        """Call every ``close_spider`` hook, in reverse order; returns an awaitable for the async ones."""
        return run_hooks(self.methods["close_spider"])


async def run_hooks(hooks: Iterable[Hook], *args: Any) -> list[Any]:
    """Call ``hooks`` one after the other and wait for those that have to be awaited."""
    results = []
    for hook in tuple(hooks):
        result = hook.call(*args)
        results.append(await result if inspect.isawaitable(result) else result)
    return results


def component_list(settings: BaseSettings, name: str) -> list[Any]:
    """The components of the setting ``name`` and its ``_BASE``, without those that are None, by their order."""
    return build_component_list(settings.get_component_priority_dict_with_base(name))


def _path_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    owner = entry if isinstance(entry, type) else type(entry)
    return f"{owner.__module__}.{owner.__qualname__}"
