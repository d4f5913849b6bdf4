"""Fill the generated parts of docs/plugins.md and docs/plugins.zh.md.

    python tools/plugin_docs.py           # write them
    python tools/plugin_docs.py --check   # exit 1 if one is not what it would be

A generated part stands between `<!-- example: KIND NAME -->` or `<!-- options: KIND -->` and
`<!-- end -->`. Examples are what `picogen plugins new KIND NAME` writes; for `pyproject` it is the
file of that name. Tables list the options of what PiCo-Gen ships.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from picogen_cli.new_plugin import Package
from picogen_core.plugins.options import describe_options
from picogen_core.plugins.registry import registry

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(ROOT / "docs" / name for name in ("plugins.md", "plugins.zh.md"))
PART = re.compile(r"(<!-- (example|options): ([^>]*?) -->\n).*?(<!-- end -->)", re.S)


def filled(page: str) -> str:
    """Return the page with its generated parts as they should be."""

    def fill(match: re.Match[str]) -> str:
        before, what, words, after = match.groups()
        part = _example(*words.split()) if what == "example" else _options(words)
        return f"{before}\n{part}\n{after}"

    return PART.sub(fill, page)


def _example(kind: str, name: str) -> str:
    if kind == "pyproject":
        return f"```toml\n{Package('backbone', name).files()['pyproject.toml']}```\n"
    return f"```python\n{Package(kind, name).source()}```\n"


def _options(kind: str) -> str:
    rows = [f"| {kind} | option | type | default | what it is |", "|---|---|---|---|---|"]
    for entry in registry().all(kind):
        if not entry.shipped:
            continue
        options = describe_options(entry.config())
        if not options:
            rows.append(f"| `{entry.name}` | – | | | |")
        for option in options:
            default = "required" if option.required else f"`{json.dumps(option.default)}`"
            cells = (f"`{entry.name}`", f"`{option.name}`", f"`{option.type}`", default)
            rows.append(f"| {' | '.join(map(_cell, (*cells, option.description)))} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the pages, or compare them."""
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = filled(old)
        if new != old:
            stale.append(page)
            if "--check" not in sys.argv:
                page.write_text(new, encoding="utf-8")
    if "--check" in sys.argv and stale:
        names = ", ".join(str(page.relative_to(ROOT)) for page in stale)
        print(f"{names}: out of date. Run: python tools/plugin_docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
