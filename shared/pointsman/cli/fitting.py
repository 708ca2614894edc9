"""What the commands that make routers share: options, a place that is fit to write to, and signs of life meanwhile."""

from __future__ import annotations

import ast
import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.router import Router

__all__ = ["check_out", "save_router", "saved_to", "telling", "trainer_options", "working"]

_LOG = "pointsman.training"
_OURS = {"data", "embedder", "seed", "history"}
"""Arguments of a `fit_<name>` that are no options on the command line."""
_EXAMPLES: dict[object, float] = {int | None: 10, float | None: 0.5}
"""Of a number that need not be given."""


def check_out(folder: str) -> Path:
    """The folder to write to, refused before any work is done rather than after.

    Raises:
        ConfigurationError: it is a file, holds other things than a router, or cannot be written to.
    """
    path = Path(folder)
    if path.resolve() == Path.cwd():
        msg = f"--out {folder} is the current folder, which cannot be replaced; give another"
        raise ConfigurationError(msg)
    there = next(above for above in (path, *path.absolute().parents) if above.exists())
    if not os.access(there, os.W_OK):
        msg = f"--out {folder} cannot be written to ({there}); give another folder"
        raise ConfigurationError(msg)
    taken = path.is_dir() and any(path.iterdir()) and not (path / "manifest.json").is_file()
    if taken or (path.exists() and not path.is_dir()):
        msg = f"--out {folder} holds other things than a router; give a new folder, or that of a saved router"
        raise ConfigurationError(msg)
    return path


def save_router(router: Router, folder: Path, training: Mapping[str, Any]) -> str:
    """Write a router with the record of what it was made from; its version. Whole or not at all."""
    return router.save(folder, training=training)


def saved_to(folder: str | Path) -> str:
    """Where a router lies now, and how to try it."""
    return f"saved to {folder}; try: pointsman route --router {shlex.quote(str(folder))} 'a prompt'"


def trainer_options(given: Sequence[str], router: str) -> dict[str, Any]:
    """The options of a router that can be trained, "K=V" texts, as Python values.

    Raises:
        ConfigurationError: there is no such router or option, or the value is not of its kind.
    """
    from pointsman.training.train import TRAINERS, unmet_options

    if router not in TRAINERS:
        msg = f"there is no router {router!r} to train; there are {', '.join(sorted(TRAINERS))}"
        raise ConfigurationError(msg)
    known = signature(TRAINERS[router]).parameters
    hints = get_type_hints(TRAINERS[router])
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known or name in _OURS:
            names = ", ".join(sorted(known.keys() - _OURS)) or "none"
            msg = f"--option {text}: write K=V with an option of {router} ({names})"
            raise ConfigurationError(msg)
        options[name] = _value(value, known[name], text, hints[name])
    lacking = [name for name in unmet_options(router, options) if name not in ("strong", "weak")]
    if lacking:
        msg = f"{router} cannot be trained without {', '.join(lacking)}; add --option {lacking[0]}=..."
        raise ConfigurationError(msg)
    return options


def _value(text: str, parameter: Parameter, option: str, hint: object) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    default = parameter.default
    if default is None and value is not None:
        default = _EXAMPLES.get(hint)
    kind = float if isinstance(default, float) and type(value) is int else type(default)
    if isinstance(default, bool | int | float | str | tuple) and not isinstance(value, kind | type(default)):
        if kind is not float or type(value) is not int:
            msg = f"--option {option}: give a value like {default!r}"
            raise ConfigurationError(msg)
        value = float(value)
    return value


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """A moving sign on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from pointsman.cli.output import console

    with console(sys.stderr).status(what):
        yield


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """What training logs goes to stderr, where no bar shows it."""
    log, handler = logging.getLogger(_LOG), logging.StreamHandler(sys.stderr)
    level = log.level
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
