"""The command line: verbs, their options, and how their ends become exit codes.

Exit codes: 0; 2 for the user's mistake (one sentence on stderr); 1 for ours; 130 when interrupted.
"""

import argparse
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regraft.core.describe import Description, Option, describe
from regraft.core.errors import UserError, unknown

_COMMANDS = Path(__file__).parent / "commands"
_ORDER = ("demo", "run", "train", "evaluate", "predict", "report", "list", "explain", "doctor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if given[0] == "--version":
        from importlib.metadata import version

        print(version("regraft"))
        return 0
    verb, rest = given[0], given[1:]
    try:
        if verb not in verbs():
            raise unknown("command", verb, verbs())
        return _command(verb, rest)
    except UserError as error:
        print(f"regraft: {error}", file=sys.stderr)
        return 2


def verbs() -> list[str]:
    """The commands: a file in ``commands/`` is one."""
    found = {p.stem for p in _COMMANDS.glob("*.py") if p.name[0] != "_"}
    return [v for v in _ORDER if v in found] + sorted(found - set(_ORDER))


def _overview() -> str:
    lines = ["Deep transfer learning that chooses its sources and proves that the transfer helped.", ""]
    lines += ["usage: regraft COMMAND [options]      regraft COMMAND --help", ""]
    lines += [f"  {verb:<10} {describe(_COMMANDS / f'{verb}.py').summary}" for verb in verbs()]
    return "\n".join(lines)


def _command(verb: str, rest: Sequence[str]) -> int:
    description = describe(_COMMANDS / f"{verb}.py")
    options, as_json = _parse(verb, description, rest)
    _prepare()
    module = importlib.import_module(f"regraft.commands.{verb}")
    console = importlib.import_module("regraft.commands._console")
    config = importlib.import_module("regraft.core.config")
    spec = getattr(module, verb.capitalize())
    reporter = console.Console()
    try:
        result = module.main(config.build(spec, options, verb), reporter)
        reporter.close()
        print(json.dumps(result, ensure_ascii=False) if as_json else module.show(result))
        return 0
    except UserError:
        reporter.close()
        raise
    except KeyboardInterrupt:
        reporter.close()
        print(f"regraft: interrupted; what is done is kept. {reporter.hint}".rstrip(), file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        reporter.close()
        if error.filename is None and error.errno is None:
            return _ours()
        where = f" {error.filename}" if error.filename else ""
        raise UserError(
            f"{error.strerror or error}:{where}; free space or change the folder. {reporter.hint}"
        ) from error
    except Exception:
        reporter.close()
        return _ours()


def _ours() -> int:
    traceback.print_exc()
    print("regraft: this is a mistake in Regraft, not yours; please report it with the lines above", file=sys.stderr)
    return 1


def _prepare() -> None:
    """Quiet libraries, and the same end for a polite kill as for Ctrl-C."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.basicConfig(format="regraft: %(message)s", level=logging.ERROR)
    logging.getLogger("regraft").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # argparse prints its usage and exits: one sentence is enough
        raise UserError(f"{message}; see {self.prog} --help")


def _parse(verb: str, description: Description, rest: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """The options given, from a file and from flags (which win), as plain data."""
    parser = _Parser(
        f"regraft {verb}", description=f"{description.summary}\n\n{description.doc}", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for option in description.options:
        _add(parser, option)
    parser.add_argument("--config", metavar="FILE", help="YAML file of these options; flags win over it")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    found, extra = parser.parse_known_args(rest)
    names = [f"--{o.name.replace('_', '-')}" for o in description.options if not o.positional]
    for text in extra:
        known = [*names, "--config", "--json"] if text.startswith("-") else [o.name for o in description.options]
        raise unknown(f"option of {verb}", text.partition("=")[0], known)
    given = {k: v for k, v in vars(found).items() if v is not None and k not in ("config", "json")}
    return {**(_read(found.config) if found.config else {}), **given}, bool(found.json)


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    text = option.help.replace("%", "%%")
    if option.default not in (None, "None", "()", "False") and not option.positional:
        text += f" (default: {str(option.default).strip(chr(39))})"
    if option.positional:
        how = "*" if option.repeated else ("?" if option.default is not None else None)
        parser.add_argument(option.name, nargs=how, default=None, metavar=option.name.upper(), help=text)
        return
    name = f"--{option.name.replace('_', '-')}"
    if option.flag:
        parser.add_argument(name, action="store_true", default=None, help=text)
    else:
        action = "append" if option.repeated else "store"
        parser.add_argument(name, action=action, default=None, metavar=option.metavar, help=text)


def _read(path: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"option 'config': cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"option 'config': {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UserError(f"option 'config': {path} must hold options, one 'name: value' a line")
    return found


if __name__ == "__main__":
    sys.exit(main())
