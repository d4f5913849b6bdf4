"""What the site has beside docs/: the README and other pages of the repository, and their links.

mkdocs calls `on_files` once and `on_page_markdown` for each page. A link is rewritten to the page
of the site that shows its target. A link to anything else of the repository, such as a folder,
becomes plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = "packages/picogen-backbones/src/picogen_backbones/weights"
PAGES = {
    "README.md": "index.md",
    "README.zh.md": "index.zh.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    **{
        card.relative_to(ROOT).as_posix(): f"cards/{card.parent.name}.md"
        for card in sorted((ROOT / WEIGHTS).glob("*/MODEL_CARD.md"))
    },
}
"""Pages outside docs/, and what each is called on the site."""

FENCED = re.compile(r"(^(?:`{3}.*?^`{3}[ \t]*$))", re.M | re.S)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    from mkdocs.structure.files import File

    for path, name in PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page."""
    return rewrite(markdown, page.file.src_uri)


def rewrite(markdown: str, name: str) -> str:
    """Return a page's text with links for the site, where the page is called `name`."""
    stored = {site: path for path, site in PAGES.items()}.get(name, f"docs/{name}")

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            return match.group()
        place, _, anchor = target.partition("#")
        there = os.path.normpath(Path(stored).parent / place)
        if there in PAGES:
            found = PAGES[there]
        elif there.startswith("docs/") and (ROOT / there).is_file():
            found = there.removeprefix("docs/")
        elif image:
            return match.group()
        else:
            return text
        away = os.path.relpath(found, Path(name).parent)
        return f"{image}[{text}]({away}{'#' + anchor if anchor else ''})"

    parts = FENCED.split(markdown)  # text, fenced, text, …; what is fenced stays as it is
    return "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(parts))
