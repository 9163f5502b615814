"""``raycrawl genspider NAME DOMAIN``: a spider's file from a template."""

from __future__ import annotations

import importlib
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from raycrawl.commands import ScrapyCommand
from raycrawl.commands.startproject import camel_case, templates_directory
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse

_SUFFIX = ".tmpl"


class Command(ScrapyCommand):
    """Make a spider in the project (NEWSPIDER_MODULE), or in the current directory outside of one."""

    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "[options] <name> <domain or URL>"

    def short_desc(self) -> str:
        return "make a spider from a template"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("-l", "--list", action="store_true", help="list the templates")
        parser.add_argument("-e", "--edit", action="store_true", help="edit the spider afterwards")
        parser.add_argument("-d", "--dump", metavar="TEMPLATE", help="print a template")
        parser.add_argument("-t", "--template", metavar="TEMPLATE", default="basic", help="its name, or a .tmpl file")
        parser.add_argument("--force", action="store_true", help="replace a spider of that name")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if opts.list:
            print("Templates:", *(f"  {name}" for name in self._names()), sep="\n")
        elif opts.dump:
            print(self._template(opts.dump).read_text(encoding="utf-8"), end="")
        else:
            if len(args) != 2:
                raise UsageError("give the spider's name and its domain or URL")
            file = self._generate(args[0], args[1], opts)
            if opts.edit:
                from raycrawl.commands.edit import edit

                self.exitcode = edit(self.settings["EDITOR"], str(file))

    def _generate(self, name: str, target: str, opts: argparse.Namespace) -> Path:
        module = _module_name(name)
        if self.settings.get("BOT_NAME") == module and self.settings.get("NEWSPIDER_MODULE"):
            raise UsageError(f"a spider cannot have the project's name: {module}")
        template = self._template(opts.template)
        file = self._directory() / f"{module}.py"
        if not opts.force:
            self._check_free(name, file)
        url = target if re.match(r"[a-z][a-z0-9+.-]*://", target) else f"https://{target}"
        domain = urlsplit(url).hostname
        if not domain:
            raise UsageError(f"{target!r} is neither a domain nor a URL")
        values = {"name": name, "url": url, "domain": domain, "classname": f"{camel_case(module)}Spider"}
        values |= {"project_name": self.settings.get("BOT_NAME"), "ProjectName": camel_case(self.settings["BOT_NAME"])}
        text = string.Template(template.read_text(encoding="utf-8")).safe_substitute(values)
        file.write_text(text, encoding="utf-8")
        print(f"The spider {name!r} is in {file} (template {template.stem}).")
        return file

    def _directory(self) -> Path:
        package = self.settings.get("NEWSPIDER_MODULE")
        if not package:
            return Path.cwd()
        try:
            found = importlib.import_module(package).__file__
        except ImportError as error:
            raise UsageError(f"NEWSPIDER_MODULE={package!r} cannot be imported: {error}") from error
        return Path(str(found)).parent

    def _check_free(self, name: str, file: Path) -> None:
        from raycrawl.spiderfile import project_spiders

        if file.exists():
            raise UsageError(f"{file} exists already (--force replaces it)")
        if self.settings.get("NEWSPIDER_MODULE") and name in project_spiders(self.settings).list():
            raise UsageError(f"there is a spider {name!r} in this project already (--force makes another)")

    def _names(self) -> list[str]:
        return sorted(file.stem for file in (templates_directory(self.settings) / "spiders").glob(f"*{_SUFFIX}"))

    def _template(self, name: str) -> Path:
        if name.endswith(_SUFFIX) and Path(name).is_file():
            return Path(name)
        file = templates_directory(self.settings) / "spiders" / f"{name}{_SUFFIX}"
        if not file.is_file():
            raise UsageError(f"there is no template {name!r}: {', '.join(self._names())}, or the path of a .tmpl file")
        return file


def _module_name(name: str) -> str:
    module = re.sub(r"\W", "_", name.replace("-", "_").replace(".", "_"))
    if re.match(r"[A-Za-z]", module) is None:
        raise UsageError(f"{name!r} is no spider name: it begins with a letter")
    return module
