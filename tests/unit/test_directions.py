"""Arrows run one way: plugins -> core; router -> its parts -> records -> errors. And nothing heavy at import time."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "pointsman": ROOT / "shared" / "pointsman",
    "langchain_router": ROOT / "langchain_router",
    "llamaindex_router": ROOT / "llamaindex_router",
}
FRAMEWORKS = {
    "langchain_router": {"langchain_core", "langchain", "langgraph"},
    "llamaindex_router": {"llama_index", "llama_index_instrumentation"},
}
LIGHT = set(sys.stdlib_module_names) | {"numpy", "pydantic", "pointsman"}
HEAVY = {"torch", "transformers", "sentence_transformers", "model2vec"}
ABOVE_ROUTER = {"training", "evaluation", "calibration", "labels", "cli", "__main__"}
# A stand-in is a subclass of its framework's model, so it imports it; only the demo imports the stand-ins.
DEMO = {
    "pointsman.cli.demo": {"langchain_router", "llamaindex_router"},
    "pointsman.cli.demo.standin_chat": {"langchain_core"},
    "pointsman.cli.demo.standin_llm": {"llama_index"},
    "pointsman.cli.demo.through_langchain": {"langchain_core", "langchain_router"},
    "pointsman.cli.demo.through_llamaindex": {"llama_index", "llamaindex_router"},
}
# Parts of the core from the ground up: at import time each needs only parts of its own layer and of those below.
LAYERS = (
    {"errors", "trouble"},
    {"query", "pool", "decision", "records", "artifacts", "chat", "costs", "data"},
    {"calibrated", "embedders", "scorers", "gates", "policies", "matching", "cascade"},
    {"binding", "storage"},
    {"router"},
    {"configure", "experiments", "failover", "lineup", "live", "staying"},
)


class Import(NamedTuple):
    module: str
    line: int
    lazy: bool


def imports_of(source: str) -> Iterator[Import]:
    """Imports that run. Those for type checkers alone are left out; those inside functions are lazy."""

    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import("." * node.level + (node.module or ""), node.lineno, lazy)
            if node.module == "pointsman":  # `from pointsman import cli` names a module, too
                yield from (Import(f"pointsman.{alias.name}", node.lineno, lazy) for alias in node.names)
        else:
            for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            inner = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in node.orelse if for_checkers else ast.iter_child_nodes(node):
                yield from walk(child, inner)

    yield from walk(ast.parse(source), lazy=False)


def name_of(package: str, path: Path) -> str:
    inside = path.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join([package, *(part for part in inside if part != "__init__")])


FILES = {name_of(package, path): path for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))}
IMPORTS = {module: tuple(imports_of(path.read_text(encoding="utf-8"))) for module, path in FILES.items()}


def top(module: str) -> str:
    return module.split(".")[0]


def part(module: str) -> str:
    """ "costs" of "pointsman.costs.prices", "" of the package itself."""
    return [*module.split("."), ""][1]


def is_suite(module: str) -> bool:
    """Tests to inherit, for people who have pytest."""
    return module.split(".")[1:2] == ["testing"]


def told(module: str, found: Import) -> str:
    return f"{FILES[module].relative_to(ROOT)}:{found.line} imports {found.module}"


CORE = sorted(module for module in FILES if top(module) == "pointsman")
PLUGINS = sorted(module for module in FILES if top(module) in FRAMEWORKS)
SERVING = [module for module in CORE if part(module) not in ABOVE_ROUTER] + PLUGINS


def test_the_walk_sees_what_runs_and_only_that() -> None:
    source = (
        "import typing\nimport torch.nn\nfrom pointsman import cli, Router\n"
        "if typing.TYPE_CHECKING:\n    import pandas\nelse:\n    import polars\n"
        "try:\n    import a.b\nexcept ImportError:\n    pass\n"
        "class C:\n    import inside\n    def f(self):\n        from rich import box\n"
    )
    found = list(imports_of(source))
    assert [i.module for i in found if not i.lazy] == [
        "typing", "torch.nn", "pointsman", "pointsman.cli", "pointsman.Router", "polars", "a.b", "inside",
    ]  # fmt: skip
    assert [i.module for i in found if i.lazy] == ["rich"]


def test_all_three_packages_are_looked_at() -> None:
    assert {top(module) for module in FILES} == set(PACKAGES)
    assert {"pointsman.router", "pointsman.costs.prices", "pointsman.cli"} <= set(CORE)


def violations(modules: Iterable[str], wrong: Callable[[str, Import], bool]) -> list[str]:
    return [told(module, found) for module in modules for found in IMPORTS[module] if wrong(module, found)]


def test_imports_are_absolute() -> None:
    assert violations(FILES, lambda _, found: found.module.startswith(".")) == []


@pytest.mark.parametrize("plugin", FRAMEWORKS)
def test_a_plugin_imports_the_core_and_its_own_framework(plugin: str) -> None:
    modules = [module for module in PLUGINS if top(module) == plugin]
    own = {plugin, *FRAMEWORKS[plugin]}
    foreign = (set(FRAMEWORKS) | set().union(*FRAMEWORKS.values()) | HEAVY) - own
    assert violations(modules, lambda _, found: top(found.module) in foreign) == []
    early = LIGHT | own | {"typing_extensions"}
    serving = [module for module in modules if not is_suite(module)]
    assert violations(serving, lambda _, found: not found.lazy and top(found.module) not in early) == []
    suite = [module for module in modules if is_suite(module)]
    assert violations(suite, lambda _, found: top(found.module) not in early | {"pytest"}) == []


def test_nothing_that_serves_imports_the_conformance_suite() -> None:
    assert any(is_suite(module) for module in FILES)
    outside = [module for module in FILES if not is_suite(module)]
    assert violations(outside, lambda _, found: is_suite(found.module)) == []


def test_the_serving_path_stays_below_training_and_the_command_line() -> None:
    def wrong(module: str, found: Import) -> bool:
        above = top(found.module) == "pointsman" and part(found.module) in ABOVE_ROUTER
        # the package itself may hand out names from above the router, and Router.adapt trains: when they are asked to
        asked_for = module == "pointsman" or (module, found.module) == ("pointsman.router", "pointsman.training.adapt")
        return above and not (found.lazy and asked_for)

    assert violations(SERVING, wrong) == []


def test_the_core_imports_little_and_no_plugin() -> None:
    def wrong(module: str, found: Import) -> bool:
        allowed = LIGHT | DEMO.get(module, set()) | ({"rich"} if part(module) in ("cli", "training") else set())
        plugin = top(found.module) in FRAMEWORKS
        return top(found.module) not in allowed and (plugin or not found.lazy)

    assert violations(CORE, wrong) == []


def test_heavy_packages_are_imported_by_training_and_by_what_wraps_them() -> None:
    def wrong(module: str, found: Import) -> bool:
        may = part(module) in {"training", "scorers", "embedders"}
        return top(found.module) in HEAVY and not (may and found.lazy)

    assert violations(CORE, wrong) == []


def test_layers_point_down() -> None:
    height = {name: i for i, layer in enumerate(LAYERS) for name in layer}

    def wrong(module: str, found: Import) -> bool:
        inside = top(found.module) == "pointsman" and part(found.module) in height and not found.lazy
        return inside and height[part(found.module)] > height[part(module)]

    assert violations((module for module in CORE if part(module) in height), wrong) == []


def test_every_part_of_the_serving_path_has_its_layer() -> None:
    parts = {part(module) for module in CORE} - ABOVE_ROUTER - {""}
    assert parts == set().union(*LAYERS)


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: {i.module for i in IMPORTS[module] if not i.lazy and i.module in FILES} for module in FILES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join([*path[path.index(module) :], module])}"
        if module not in done:
            for other in graph[module]:
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_files_are_small() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: n for module, n in lengths.items() if n > 500} == {}
    assert statistics.median(lengths.values()) <= 150
