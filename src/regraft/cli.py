"""The command line: verbs, their options, and how their ends become exit codes.

Exit codes: 0; 2 for the user's mistake (one sentence on stderr); 1 for ours; 130 when interrupted.
"""

import argparse
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regraft.core.describe import Description, Option, describe
from regraft.core.errors import UserError, unknown

_COMMANDS = Path(__file__).parent / "commands"
_ORDER = ("demo", "run", "train", "rank", "shift", "evaluate", "predict", "report", "list", "explain", "doctor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Every way in which a command can end is here."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        print(_answer(given), flush=True)
        return 0
    except UserError as error:
        return _end(2, str(error), error)
    except KeyboardInterrupt as error:
        return _end(130, "interrupted; what is done is kept." if _hint(error) else "interrupted", error)
    except BrokenPipeError:  # the reader of our output went away: it has what it wanted
        _silence()
        return 0
    except OSError as error:  # a full disk, a folder that lost its permissions
        _silence()
        where = f": {error.filename}" if error.filename else ""
        return _end(2, f"{error.strerror or error}{where}; free space or change the folder.", error)
    except Exception:
        traceback.print_exc()
        return _end(1, "this is a mistake in Regraft, not yours; please report it with the lines above")


def _end(code: int, sentence: str, error: BaseException | None = None) -> int:
    hint = _hint(error) if code == 130 or isinstance(error, OSError) else ""
    print(f"regraft: {sentence} {hint}".rstrip(), file=sys.stderr)
    return code


def _hint(error: BaseException | None) -> str:
    """How to go on, where a command said so."""
    return " ".join(getattr(error, "__notes__", ()))


def _silence() -> None:
    """Where stdout cannot be written, keep the interpreter from trying once more as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(given: Sequence[str]) -> str:
    """What the command line asks for: the text that goes to stdout."""
    if not given or given[0] in ("-h", "--help"):
        return _overview()
    if given[0] == "--version":
        from importlib.metadata import version

        return version("regraft")
    if given[0] not in verbs():
        raise unknown("command", given[0], verbs())
    return _command(given[0], given[1:])


def verbs() -> list[str]:
    """The commands: a file in ``commands/`` is one."""
    found = {p.stem for p in _COMMANDS.glob("*.py") if p.name[0] != "_"}
    return [v for v in _ORDER if v in found] + sorted(found - set(_ORDER))


def _overview() -> str:
    lines = ["Deep transfer learning that chooses its sources and proves that the transfer helped.", ""]
    lines += ["usage: regraft COMMAND [options]      regraft COMMAND --help", ""]
    lines += [f"  {verb:<10} {describe(_COMMANDS / f'{verb}.py').summary}" for verb in verbs()]
    return "\n".join(lines)


def _command(verb: str, rest: Sequence[str]) -> str:
    begun = time.monotonic()
    options, as_json = _parse(verb, describe(_COMMANDS / f"{verb}.py"), rest)
    _prepare()
    module, console, config = _loaded(f"regraft.commands.{verb}", "regraft.commands._console", "regraft.core.config")
    reporter = console.Console()
    reporter.begun = begun
    try:
        result = module.main(config.build(getattr(module, verb.capitalize()), options, verb), reporter)
    except (KeyboardInterrupt, OSError) as error:
        if reporter.hint:
            error.add_note(reporter.hint)
        raise
    finally:
        reporter.close()
    return json.dumps(result, ensure_ascii=False) if as_json else module.show(result)


def _loaded(*names: str) -> list[Any]:
    """The modules. Interrupted meanwhile, the process ends at once: where an exception comes, some libraries abort."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _prepare() -> None:
    """Quiet libraries, and the same end for a polite kill as for Ctrl-C."""
    import logging
    import warnings

    from regraft.core import allocator

    # Threads that wait for each other by spinning are ten times slower as soon as another program runs.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    allocator.keep_freed()
    warnings.simplefilter("ignore")
    logging.basicConfig(format="regraft: %(message)s", level=logging.ERROR)
    logging.getLogger("regraft").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # argparse prints its usage and exits: one sentence is enough
        raise UserError(f"{message}; see {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> Any:  # after --help
        sys.stdout.flush()  # here a closed pipe is still ours to handle
        super().exit(status, message)


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
    found, extra = parser.parse_known_intermixed_args(rest)
    names = [f"--{o.name.replace('_', '-')}" for o in description.options if not o.positional]
    for text in extra:
        if not text.startswith("-"):
            raise UserError(
                f"{verb} has no place for {text!r}; say what it is, as {names[0]} {text}: {', '.join(names)}"
                if names
                else f"{verb} takes no {text!r}; leave it out"
            )
        raise unknown(f"option of {verb}", text.partition("=")[0], [*names, "--config", "--json"])
    for name, value in vars(found).items():
        if value == "" or (isinstance(value, list) and "" in value):
            raise UserError(f"option {name!r} is empty; give a value, or leave it out")
    given = {k: v for k, v in vars(found).items() if v is not None and k not in ("config", "json")}
    listed = {o.name for o in description.options if o.repeated}
    file = _read(found.config) if found.config else {}
    file = {k: [v] if k in listed and isinstance(v, str) else v for k, v in file.items()}
    return {**file, **given}, bool(found.json)


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
