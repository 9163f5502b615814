"""Signals: who listens, and sending. Receivers are held by weak references.

Handlers run in the process where the signal is sent. They are called with those of the signal's arguments that they
accept; ``signal`` and ``sender`` are among the arguments.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from raycrawl.exceptions import StopDownload
from raycrawl.failure import Failure

logger = logging.getLogger(__name__)

Receiver = Callable[..., Any]
Result = tuple[Receiver, Any]


class _Any:
    """A receiver connected to this "signal" gets every signal."""

    def __repr__(self) -> str:
        return "<any signal>"


ANY = _Any()


class _Connection:
    """One receiver: a reference to it, and how to call it. ``names`` None means that it takes every argument."""

    __slots__ = ("key", "names", "reference")

    def __init__(self, receiver: Receiver, weak: bool, on_death: Callable[[Any], None]) -> None:
        self.key = _key_of(receiver)
        self.names = _accepted_names(receiver)
        self.reference: Callable[[], Receiver | None]
        if not weak:
            self.reference = lambda: receiver
        elif inspect.ismethod(receiver):
            self.reference = weakref.WeakMethod(receiver, on_death)
        else:
            self.reference = weakref.ref(receiver, on_death)


class SignalManager:
    """Connects receivers to signals and sends signals.

    Args:
        sender: what receivers get as ``sender``; usually the crawler. Default: this manager.
    """

    def __init__(self, sender: Any = None) -> None:
        self.sender: Any = self if sender is None else sender
        self._connections: dict[Any, list[_Connection]] = {}
        # Signals are compared by identity; this keeps alive the objects whose id() is a key above.
        self._signals: dict[int, Any] = {}

    # --- who listens

    def connect(self, receiver: Receiver, signal: Any, weak: bool = True, **kwargs: Any) -> None:
        """Call ``receiver`` (plain or async function) whenever ``signal`` is sent. Twice the same counts once.

        Args:
            weak: hold the receiver by a weak reference: it is forgotten with its object. False keeps it alive.
            kwargs: accepted for compatibility, e.g. ``sender``; ignored.
        """
        if not callable(receiver):
            raise TypeError(f"a signal receiver has to be callable, got {receiver!r}")
        key = id(signal)
        self._signals[key] = signal
        connections = self._connections.get(key, [])
        connection = _Connection(receiver, weak, lambda _: self._drop_dead(key))
        kept = [present for present in connections if present.key != connection.key]
        # A new list each time: a send in progress goes on with the list it started with.
        self._connections[key] = [*kept, connection]

    def disconnect(self, receiver: Receiver, signal: Any, **kwargs: Any) -> None:
        """The opposite of ``connect``; nothing happens when they were not connected."""
        key = id(signal)
        receiver_key = _key_of(receiver)
        self._set(key, [present for present in self._connections.get(key, ()) if present.key != receiver_key])

    def disconnect_all(self, signal: Any, **kwargs: Any) -> None:
        """Disconnect every receiver of ``signal``."""
        self._set(id(signal), [])

    def has_listeners(self, signal: Any) -> bool:
        """Whether anybody would receive ``signal``: cheap, so that senders can skip preparing its arguments."""
        connections = self._connections
        return id(signal) in connections or _ANY_KEY in connections

    def _drop_dead(self, key: int) -> None:
        self._set(key, [present for present in self._connections.get(key, ()) if present.reference() is not None])

    def _set(self, key: int, connections: list[_Connection]) -> None:
        if connections:
            self._connections[key] = connections
        else:
            self._connections.pop(key, None)
            self._signals.pop(key, None)

    # --- sending

    def send_catch_log(self, signal: Any, **kwargs: Any) -> list[Result]:
        """Call the receivers, in the order of connection. An error is logged and becomes that receiver's result.

        Args:
            kwargs: the signal's arguments; ``dont_log`` (exception class or tuple of them) names errors that are
                returned but not logged.

        Returns:
            ``[(receiver, what it returned or a Failure)]``; empty when nobody listens.
        """
        connections = self._listening(signal)
        if not connections:
            return []
        arguments, dont_log = self._arguments(signal, kwargs)
        results: list[Result] = []
        for connection in connections:
            receiver = connection.reference()
            if receiver is not None:
                results.append((receiver, self._call(connection, receiver, arguments, dont_log)))
        return results

    async def send_catch_log_async(self, signal: Any, **kwargs: Any) -> list[Result]:
        """Like ``send_catch_log``, and waits for async receivers, which run at the same time."""
        connections = self._listening(signal)
        if not connections:
            return []
        arguments, dont_log = self._arguments(signal, kwargs)
        calls = [
            (receiver, self._call_async(connection, receiver, arguments, dont_log))
            for connection in connections
            if (receiver := connection.reference()) is not None
        ]
        values = await asyncio.gather(*(call for _, call in calls))
        return [(receiver, value) for (receiver, _), value in zip(calls, values, strict=True)]

    def send_catch_log_deferred(self, signal: Any, **kwargs: Any) -> Awaitable[list[Result]]:
        """``send_catch_log_async`` under its older name: to be awaited."""
        return self.send_catch_log_async(signal, **kwargs)

    async def wait_for(self, signal: Any) -> None:
        """Return when ``signal`` is sent the next time."""
        sent = asyncio.get_running_loop().create_future()

        def on_signal() -> None:
            if not sent.done():
                sent.set_result(None)

        self.connect(on_signal, signal, weak=False)
        try:
            await sent
        finally:
            self.disconnect(on_signal, signal)

    def _listening(self, signal: Any) -> list[_Connection]:
        own = self._connections.get(id(signal))
        everything = self._connections.get(_ANY_KEY)
        if everything is None:
            return own or []
        return everything if own is None or own is everything else [*own, *everything]

    def _arguments(self, signal: Any, kwargs: dict[str, Any]) -> tuple[dict[str, Any], tuple[type[BaseException], ...]]:
        dont_log = kwargs.pop("dont_log", ())
        kwargs.setdefault("sender", self.sender)
        kwargs["signal"] = signal
        return kwargs, (*(dont_log if isinstance(dont_log, tuple) else (dont_log,)), StopDownload)

    def _call(
        self, connection: _Connection, receiver: Receiver, arguments: dict[str, Any], dont_log: tuple[Any, ...]
    ) -> Any:
        try:
            result = _invoke(connection, receiver, arguments)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError(f"{_name_of(receiver)} is async, but this signal takes plain functions only")
        except Exception as error:
            return self._failed(receiver, arguments, error, dont_log)
        return result

    async def _call_async(
        self, connection: _Connection, receiver: Receiver, arguments: dict[str, Any], dont_log: tuple[Any, ...]
    ) -> Any:
        try:
            result = _invoke(connection, receiver, arguments)
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            return self._failed(receiver, arguments, error, dont_log)
        return result

    def _failed(
        self, receiver: Receiver, arguments: dict[str, Any], error: Exception, dont_log: tuple[Any, ...]
    ) -> Failure:
        if not isinstance(error, dont_log):
            logger.error(
                "The handler %s of %r failed",
                _name_of(receiver),
                arguments["signal"],
                exc_info=(type(error), error, error.__traceback__),
                extra={"spider": arguments.get("spider")},
            )
        return Failure(error)


_ANY_KEY = id(ANY)


def _invoke(connection: _Connection, receiver: Receiver, arguments: dict[str, Any]) -> Any:
    names = connection.names
    if names is None:
        return receiver(**arguments)
    return receiver(**{name: arguments[name] for name in names if name in arguments})


def _key_of(receiver: Receiver) -> tuple[int, int]:
    if inspect.ismethod(receiver):
        return id(receiver.__self__), id(receiver.__func__)
    return id(receiver), 0


def _name_of(receiver: Receiver) -> str:
    name = getattr(receiver, "__qualname__", None)
    return f"{receiver.__module__}.{name}" if name else repr(receiver)


def _accepted_names(receiver: Receiver) -> tuple[str, ...] | None:
    """The names of the arguments that ``receiver`` accepts; None when it has ``**kwargs``."""
    try:
        parameters = inspect.signature(receiver).parameters.values()
    except (TypeError, ValueError):
        return None  # a builtin without a signature: let it judge
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(parameter.name for parameter in parameters if parameter.kind in by_name)
