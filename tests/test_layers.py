"""Who may import whom, and what importing costs: the arrows of the design, checked on the code itself."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lcodec"
TESTS = Path(__file__).parent

#: Part -> parts of lcodec that it may import. `errors`, `defaults` and the package itself are open to all.
ALLOWED = {
    "advice": {"exact", "metrics", "picture"},
    "cli": {
        "advice",
        "exact",
        "networks",
        "compare",
        "training",
        "atomic",
        "targets",
        "goal",
        "codec",
        "index",
        "zoo",
        "picture",
        "container",
        "cores",
        "threads",
        "processes",
        "metrics",
        "extras",
        "legible",
        "walk",
    },
    "face": {"atomic", "codec", "container", "picture", "targets", "zoo"},
    "pillow_plugin": {"face", "picture", "container"},
    "compare": {"atomic", "codec", "legible", "metrics", "picture", "processes", "walk", "zoo"},
    "training": {
        "arrays",
        "atomic",
        "cores",
        "effort",
        "picture",
        "networks",
        "entropy",
        "goal",
        "index",
        "legible",
        "zoo",
        "metrics",
        "walk",
    },
    "targets": {"codec", "container", "metrics", "networks", "picture", "zoo"},
    "codec": {"extras", "picture", "effort", "exact", "execution", "zoo", "networks", "entropy", "container"},
    "execution": {"arrays", "extras", "cores", "threads", "zoo", "networks", "entropy"},
    "effort": {"arrays", "threads", "metrics", "execution", "goal", "zoo", "networks", "entropy"},
    "exact": {"container", "effort", "entropy", "execution", "goal", "metrics", "networks", "picture"},
    "goal": set(),
    "zoo": {"arrays", "index", "networks", "entropy", "goal"},
    "arrays": set(),
    "index": set(),
    "entropy": {"networks"},  # the fixed-point operations evaluate the same networks
    "networks": {"arrays"},
    "metrics": {"extras", "goal", "networks", "zoo"},  # the zoo finds a metric that was trained
    "picture": set(),
    "container": set(),
    "processes": {"atomic"},
    "cores": set(),
    "threads": {"cores"},
    "defaults": set(),
    "atomic": set(),
    "legible": set(),
    "walk": set(),
    "errors": set(),
    "extras": set(),
    "__init__": {"face"},
}
#: Part -> packages that it may import when it is imported; anything else only where it is used.
OUTSIDE = {
    "cli": {"click"},
    "container": set(),
    "atomic": set(),
    "errors": set(),
    "goal": set(),
    "arrays": set(),
    "index": set(),
    "legible": set(),
    "walk": set(),
    "zoo": set(),
    "processes": set(),
    "cores": set(),
    "threads": set(),
    "defaults": set(),
    "codec": {"numpy"},
    "picture": {"numpy"},
    "face": {"numpy"},
    "pillow_plugin": {"PIL"},
    "exact": {"numpy"},
    "execution": {"numpy"},
}
STANDARD = {"__future__"} | set(__import__("sys").stdlib_module_names)


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Modules that a file imports: anywhere in it, or only on being imported itself."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module == "lcodec":
                found |= {f"lcodec.{alias.name}" for alias in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_imported(path: Path) -> set[str]:
    """Other parts of lcodec that a file imports, anywhere in it."""
    found = {name.split(".")[1] for name in imports(path, everywhere=True) if name.startswith("lcodec.")}
    return found - {part_of(path), "__version__"}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "models" not in path.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_arrows_of_the_design(path: Path) -> None:
    part = part_of(path)
    assert part in ALLOWED, f"{part} is not in the design"
    extra = parts_imported(path) - ALLOWED[part] - {"errors", "defaults"}
    assert not extra, f"{part} must not import {sorted(extra)}"


def test_no_circle_of_imports_between_parts() -> None:
    """Nor may the arrows that are allowed make one, wherever in a file an import stands."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        found.setdefault(part_of(path), set()).update(parts_imported(path))
    for arrows in (found, ALLOWED):
        TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle
    with pytest.raises(CycleError, match="goal"):
        TopologicalSorter({**found, "goal": {"codec"}}).prepare()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_late(path: Path) -> None:
    part = part_of(path)
    if part in OUTSIDE:
        outside = {name.split(".")[0] for name in imports(path, everywhere=False)} - STANDARD - {"lcodec"}
        assert outside <= OUTSIDE[part]


def test_no_test_module_imports_another() -> None:
    """What several of them need is in tests/support, or a fixture of a conftest."""
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            # No other package that is imported here has modules of that name.
            taken = [name for name in names if name.rpartition(".")[2].startswith("test_")]
            assert not taken, f"{path.relative_to(TESTS)} imports {taken}"


def test_files_are_of_a_readable_size() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines for path in FILES if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long
