"""What an errback receives, and how an exception crosses from one process to another: as data, never raised."""

from __future__ import annotations

import builtins
import importlib
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from raycrawl.exceptions import RemoteError

if TYPE_CHECKING:
    from types import TracebackType

    from raycrawl.http import Request

__all__ = ["Failure", "RemoteError"]

# Only classes of these modules are rebuilt from data: nothing that another process names is imported at its word.
_REBUILT_MODULES = ("raycrawl.exceptions", "raycrawl.spidermiddlewares.httperror")
_PLAIN = (str, bytes, int, float, bool, type(None))


class Failure:
    """An exception, and the request that it happened to.

    Args:
        value: the exception; None takes the one that is being handled.
        request: the request whose errback receives this.
        traceback_text: the traceback of an exception that another process raised.

    Attributes:
        type: ``value``'s class.
    """

    def __init__(
        self,
        value: BaseException | None = None,
        request: Request | None = None,
        traceback_text: str = "",
    ) -> None:
        if value is None:
            value = sys.exc_info()[1]
            if value is None:
                raise ValueError("Failure() without an exception needs one that is being handled")
        self.value: Any = value
        self.type: type[BaseException] = type(value)
        self.traceback_text = traceback_text
        if request is not None:
            self.request = request

    request: Any = None

    @property
    def tb(self) -> TracebackType | None:
        """The traceback object, None when the exception was raised in another process."""
        traceback_object: TracebackType | None = self.value.__traceback__
        return traceback_object

    def getTracebackObject(self) -> TracebackType | None:
        """Same as ``tb``."""
        return self.tb

    def check(self, *errorTypes: type[BaseException] | str) -> Any:
        """The first of ``errorTypes`` (classes or their import paths) that ``value`` is one of, else None."""
        names = {f"{base.__module__}.{base.__qualname__}" for base in self.type.__mro__}
        if isinstance(self.value, RemoteError):
            names.add(self.value.type_name)
        for wanted in errorTypes:
            if isinstance(wanted, str):
                if wanted in names:
                    return wanted
            elif isinstance(self.value, wanted):
                return wanted
        return None

    def trap(self, *errorTypes: type[BaseException] | str) -> Any:
        """Like ``check``, but raises the exception when it is none of ``errorTypes``."""
        found = self.check(*errorTypes)
        if found is None:
            self.raiseException()
        return found

    def raiseException(self) -> NoReturn:
        """Raise the exception, with its own traceback when there is one."""
        raise self.value

    def getErrorMessage(self) -> str:
        """The exception's message."""
        return str(self.value)

    def getTraceback(self, elideFrameworkCode: int = 0, detail: str = "default") -> str:
        """The traceback as text; of another process when the exception comes from there. The arguments are ignored."""
        if self.traceback_text:
            return self.traceback_text
        return "".join(traceback.format_exception(self.value))

    getBriefTraceback = getTraceback

    def printTraceback(self, file: Any = None, elideFrameworkCode: int = 0, detail: str = "default") -> None:
        """Write the traceback to ``file`` (default: standard error)."""
        (file or sys.stderr).write(self.getTraceback())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for another process: the request is not part of it."""
        value = self.value
        is_remote = isinstance(value, RemoteError)
        args = list(value.args) if all(isinstance(arg, _PLAIN) for arg in value.args) else None
        extra = {name: item for name, item in vars(value).items() if isinstance(item, _PLAIN)}
        return {
            "type": value.type_name if is_remote else f"{self.type.__module__}.{self.type.__qualname__}",
            "args": None if is_remote else args,
            "attrs": {} if is_remote else extra,
            "message": value.message if is_remote else _message_of(value),
            "traceback": self.getTraceback(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], request: Request | None = None) -> Failure:
        """The failure that ``to_dict`` described; ``value`` is a RemoteError when its class is not rebuilt here."""
        return cls(_rebuild(data), request=request, traceback_text=data.get("traceback") or "")

    def __str__(self) -> str:
        return f"[Failure instance: {self.type.__module__}.{self.type.__qualname__}: {self.getErrorMessage()}]"

    def __repr__(self) -> str:
        return f"<Failure {self.type.__module__}.{self.type.__qualname__}: {self.getErrorMessage()}>"


def _message_of(value: BaseException) -> str:
    try:
        return str(value)
    except Exception:
        # A user's __str__ may fail; the report of an error must not.
        return f"<{type(value).__name__} whose str() fails>"


def _rebuild(data: dict[str, Any]) -> BaseException:
    type_path = str(data.get("type", ""))
    message = str(data.get("message", ""))
    exception_class = _known_class(type_path)
    args = data.get("args")
    if exception_class is None or args is None:
        return RemoteError(type_path, message)
    # Without __init__: its signature may differ from args; args and plain attributes are the state.
    value = exception_class.__new__(exception_class, *args)
    value.args = tuple(args)
    for name, item in (data.get("attrs") or {}).items():
        setattr(value, name, item)
    return value


def _known_class(type_path: str) -> type[Exception] | None:
    module_name, _, name = type_path.rpartition(".")
    if module_name == "builtins":
        found = getattr(builtins, name, None)
    elif module_name in _REBUILT_MODULES:
        found = getattr(importlib.import_module(module_name), name, None)
    else:
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None
