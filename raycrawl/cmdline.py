"""The ``raycrawl`` command: finds the command, parses its options, runs it, and turns errors into one line and a code.

Exit codes: 0 finished, or ended because it was asked to; 1 the spider could not start or the engine failed; 2 bad
usage; 75 an infrastructure failure after which the same command resumes; 130 and 143 a second SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import raycrawl
from raycrawl.commands import EXIT_USAGE, ScrapyCommand, ScrapyHelpFormatter
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raycrawl.settings import Settings

_COMMANDS_PACKAGE = "raycrawl.commands"
_ENTRY_POINTS = "raycrawl.commands"


def execute(argv: Sequence[str] | None = None, settings: Settings | None = None) -> NoReturn:
    """Run one command and end the process (SystemExit) with its code.

    Args:
        argv: program name and arguments; ``sys.argv`` by default.
        settings: the settings to start from; the project's, or the defaults, when None.
    """
    arguments = list(sys.argv if argv is None else argv)[1:]
    sys.exit(_main(arguments, settings))


def _main(arguments: list[str], settings: Settings | None) -> int:
    try:
        settings = settings if settings is not None else _project_settings()
        if not arguments or arguments[0] in {"-h", "--help", "help"}:
            print(_overview(settings))
            return 0
        name, *rest = arguments
        if name == "--version":
            name = "version"
        return _run(_find(name, settings), name, rest, settings)
    except UsageError as error:
        _complain(arguments, error)
        return EXIT_USAGE
    except BrokenPipeError:  # the reader of our output has gone: `raycrawl list | head -1`
        sys.stderr.close()
        return 1


def _project_settings() -> Settings:
    from raycrawl.utils.project import get_project_settings

    try:
        return get_project_settings()
    except (ImportError, SyntaxError) as error:
        raise UsageError(f"the project's settings cannot be imported: {type(error).__name__}: {error}") from error


def _run(command: ScrapyCommand, name: str, arguments: list[str], settings: Settings) -> int:
    command.settings = settings
    settings.setdict(command.default_settings, priority="command")
    parser = argparse.ArgumentParser(
        prog=f"raycrawl {name}",
        usage=f"raycrawl {name} {command.syntax()}".rstrip(),
        description=command.long_desc(),
        formatter_class=ScrapyHelpFormatter,
        conflict_handler="resolve",
        allow_abbrev=False,
    )
    command.add_options(parser)
    opts, args = parser.parse_known_args(_join_dash_values(arguments))
    unknown = [arg for arg in args if arg.startswith("-") and arg != "-"]
    if unknown:
        raise UsageError(f"unknown option {unknown[0]} (see raycrawl {name} --help)")
    command.process_options(args, opts)
    if opts.profile:
        return _profiled(command, args, opts)
    command.run(args, opts)
    return command.exitcode


def _profiled(command: ScrapyCommand, args: list[str], opts: argparse.Namespace) -> int:
    profiler = cProfile.Profile()
    try:
        profiler.runcall(command.run, args, opts)
    finally:
        profiler.dump_stats(opts.profile)
    return command.exitcode


def _join_dash_values(arguments: list[str]) -> list[str]:
    """``-o -:json`` as ``-o-:json``: argparse takes a value that starts with a dash for another option."""
    joined: list[str] = []
    glue = {"-o": "", "-O": "", "--output": "=", "--overwrite-output": "="}
    for argument in arguments:
        if argument.startswith("-:") and joined and joined[-1] in glue:
            joined[-1] += glue[joined[-1]] + argument
        else:
            joined.append(argument)
    return joined


def command_names() -> list[str]:
    """The names of the commands that come with raycrawl."""
    package = importlib.import_module(_COMMANDS_PACKAGE)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def _find(name: str, settings: Settings) -> ScrapyCommand:
    from raycrawl.utils.project import inside_project

    command = _project_command(name, settings) or _builtin_command(name) or _entry_point_command(name)
    if command is None:
        known = ", ".join(_known(settings, is_inside=inside_project()))
        raise UsageError(f"there is no command {name!r}: {known}")
    if command.requires_project and not inside_project():
        raise UsageError(f"{name} works inside a project only (a directory with a scrapy.cfg, or one below it)")
    return command


def _builtin_command(name: str) -> ScrapyCommand | None:
    if name not in command_names():
        return None
    command: ScrapyCommand = importlib.import_module(f"{_COMMANDS_PACKAGE}.{name}").Command()
    return command


def _project_command(name: str, settings: Settings) -> ScrapyCommand | None:
    package = settings.get("COMMANDS_MODULE")
    if not package:
        return None
    module_name = f"{package}.{name}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name in {package, module_name}:
            return None
        raise
    return _command_of(module)


def _command_of(module: Any) -> ScrapyCommand | None:
    classes = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ScrapyCommand) and value.__module__ == module.__name__
    ]  # fmt: skip
    return classes[-1]() if classes else None


def _entry_point_command(name: str) -> ScrapyCommand | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=_ENTRY_POINTS, name=name):
        command: ScrapyCommand = point.load()()
        return command
    return None


def _known(settings: Settings, *, is_inside: bool) -> list[str]:
    names = [name for name in command_names() if is_inside or not _builtin(name).requires_project]
    if package := settings.get("COMMANDS_MODULE"):
        path = importlib.import_module(package).__path__
        names += [module.name for module in pkgutil.iter_modules(path)]
    return sorted({*names})


def _builtin(name: str) -> ScrapyCommand:
    command = _builtin_command(name)
    assert command is not None, name
    return command


def _overview(settings: Settings) -> str:
    from raycrawl.utils.project import inside_project

    is_inside = inside_project()
    lines = [f"raycrawl {raycrawl.__version__}", "", "usage: raycrawl COMMAND [options] [arguments]", ""]
    for name in _known(settings, is_inside=is_inside):
        command = _find(name, settings)
        lines.append(f"  {name:<14}{command.short_desc()}")
    if not is_inside:
        lines += ["", "Inside a project there are more: crawl, check, list, edit."]
    lines += ["", "raycrawl COMMAND --help says more about one."]
    return "\n".join(lines)


def _complain(arguments: list[str], error: UsageError) -> None:
    name = f" {arguments[0]}" if arguments and not arguments[0].startswith("-") else ""
    print(f"raycrawl{name}: error: {error}", file=sys.stderr)
