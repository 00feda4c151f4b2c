"""PyYAML's libyaml parser without the rest of PyYAML.

`import yaml` costs the function half of its start-up time, for constructors, representers and regular expressions
that it never uses. Where the process is ours (`in_parts`), only the compiled parser and the three modules it needs are
loaded. A program that uses krm-harden as a library gets the ordinary PyYAML, and shares it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_NEEDED = ("error", "events", "nodes")
_ERRORS = {
    "reader": "ReaderError",
    "scanner": "ScannerError",
    "parser": "ParserError",
    "composer": "ComposerError",
    "constructor": "ConstructorError",
    "emitter": "EmitterError",
    "serializer": "SerializerError",
    "representer": "RepresenterError",
}
"""What the compiled parser imports by name from the modules that stay unloaded."""


_in_parts = False


def in_parts() -> None:
    """Load only what is needed. For the command line alone, before anything else is imported."""
    global _in_parts  # noqa: PLW0603 - the process is ours or it isn't
    _in_parts = True


def parser_class() -> tuple[Any, ModuleType, ModuleType]:
    """PyYAML's `CParser`, its module `nodes` and its module `error`."""
    if _in_parts and "yaml" not in sys.modules:
        return _load_in_parts()
    import yaml._yaml

    return yaml._yaml.CParser, yaml.nodes, yaml.error


def _load_in_parts() -> tuple[Any, ModuleType, ModuleType]:
    spec = _spec("yaml")
    module = type(sys)
    package = module("yaml")
    package.__path__ = spec.submodule_search_locations or []
    package.__spec__ = spec
    sys.modules["yaml"] = package
    try:
        for name in _NEEDED:
            setattr(package, name, _imported(f"yaml.{name}"))
        tokens = module("yaml.tokens")
        tokens.__getattr__ = _nothing  # type: ignore[method-assign]
        setattr(package, "tokens", tokens)  # noqa: B010 - a module of ours has no such attribute
        sys.modules["yaml.tokens"] = tokens
        # One class for all: nobody here asks which it is, and each costs as much as a small module.
        refused = type("RefusedError", (package.error.YAMLError,), {"__init__": _remember})
        for name, error in _ERRORS.items():
            part = module(f"yaml.{name}")
            setattr(part, error, refused)
            setattr(package, name, part)
            sys.modules[part.__name__] = part
        parser = _imported("yaml._yaml").CParser
    finally:
        for name in ("yaml", *(f"yaml.{name}" for name in ("tokens", *_ERRORS))):
            sys.modules.pop(name, None)
    return parser, package.nodes, package.error


def _spec(name: str) -> Any:
    """Where a module is, by the interpreter's own finders: `importlib` itself would cost a millisecond."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, None)
        if found is not None:
            return found
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _imported(name: str) -> Any:
    __import__(name)
    return sys.modules[name]


def _nothing(_name: str) -> type:
    """In the place of a class of tokens, which is imported by name and which nobody here asks for."""
    return object


def _remember(self: Any, *args: Any) -> None:
    """Keep what an error says, whichever of PyYAML's two signatures it has."""
    Exception.__init__(self, *args)
    if len(args) >= 4 and not isinstance(args[1], int):
        self.context, self.context_mark, self.problem, self.problem_mark = args[:4]
    else:
        self.problem = args[-1] if args else ""
        self.problem_mark = None
