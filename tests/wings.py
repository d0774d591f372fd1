"""The package's own map: which wing imports which, read from the source, as a Mermaid diagram.

python -m tests.wings README.md      renews the diagram between its two marks
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

from albumlib.runtime.paths import PACKAGE

MARKS = "<!-- wings -->\n", "<!-- /wings -->"


@cache
def imported(path: Path) -> frozenset[str]:
    """Full names of everything that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset(names)


def arrows() -> dict[str, set[str]]:
    """For each wing, a folder of the package or a module at its top, the wings it imports."""
    files = {
        wing.stem: [wing] if wing.suffix == ".py" else sorted(wing.rglob("*.py"))
        for wing in sorted(PACKAGE.iterdir())
        if wing.suffix == ".py" or (wing / "__init__.py").exists()
    }
    del files["__init__"]
    found = {}
    for wing, paths in files.items():
        names = {name for path in paths for name in imported(path) if name[:9] == "albumlib."}
        found[wing] = {name.split(".")[1] for name in names} & set(files) - {wing}
    return found


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that are not implied by others: the transitive reduction of a graph without
    circles.

    >>> reduced({"a": set(), "b": {"a"}, "c": {"a", "b"}})
    {'a': set(), 'b': {'a'}, 'c': {'b'}}
    """

    def below(wing: str) -> set[str]:
        return graph[wing].union(*map(below, graph[wing]))

    return {wing: ends - set().union(*map(below, ends)) for wing, ends in graph.items()}


def diagram() -> str:
    """The wings as a Mermaid flowchart, what lies at the bottom first; implied arrows left out."""
    lines = [
        f"    {end} --> {wing}"
        for wing, ends in sorted(reduced(arrows()).items())
        for end in sorted(ends)
    ]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```", ""])


def renewed(text: str) -> str:
    """A text with today's diagram between its marks."""
    begin, end = map(re.escape, MARKS)
    return re.sub(f"(?s){begin}.*?{end}", lambda _: diagram().join(MARKS), text)


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(renewed(readme.read_text(encoding="utf-8")), encoding="utf-8")
