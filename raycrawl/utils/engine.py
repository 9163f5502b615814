"""The state of an engine, as text."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raycrawl.core.engine import ExecutionEngine

# What is asked of ``crawler.engine``, which has the same names in every process.
_QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "time()-engine.start_time": lambda engine: time() - engine.start_time,
    "engine.running": lambda engine: engine.running,
    "engine.paused": lambda engine: engine.paused,
    "engine.spider.name": lambda engine: engine.spider.name,
    "engine.spider_is_idle()": lambda engine: engine.spider_is_idle(),
    "engine.needs_backout()": lambda engine: engine.needs_backout(),
    "engine.backout_reason()": lambda engine: engine.backout_reason(),
    "engine.scheduler_empty()": lambda engine: engine.scheduler_empty(),
}


def get_engine_status(engine: ExecutionEngine) -> list[tuple[str, Any]]:
    """``[(question, answer)]``; a question that fails is answered with its exception."""
    return [(question, _answer(ask, engine)) for question, ask in _QUESTIONS.items()]


def _answer(ask: Callable[[Any], Any], engine: Any) -> Any:
    try:
        return ask(engine)
    except Exception as error:
        return f"{type(error).__name__} (exception)"


def format_engine_status(engine: ExecutionEngine) -> str:
    """The status as a table."""
    lines = [f"{question:<47} : {answer}" for question, answer in get_engine_status(engine)]
    return "Execution engine status\n\n" + "\n".join(lines) + "\n"


def print_engine_status(engine: ExecutionEngine) -> None:
    """Print ``format_engine_status``."""
    print(format_engine_status(engine))
