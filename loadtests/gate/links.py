"""Links of Markdown pages to files of the checkout that are not there, and to headings that a page has not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGES: Final = ("*.md", "docs/**/*.md", "loadtests/**/*.md", "releases/*.md", "examples/**/*.md")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#+ +(.*?) *#*$", re.MULTILINE)


def lost_links(root: Path) -> list[str]:
    """Return a line for each: which page, which link."""
    pages = sorted({path for pattern in PAGES for path in root.glob(pattern)})
    return [
        f"{page.relative_to(root)}: {link} leads nowhere"
        for page in pages
        for link in _links(page.read_text())
        if not _is_there(root, page, link)
    ]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        name = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        count = found.get(name, 0)
        found[name] = count + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def _links(text: str) -> Iterator[str]:
    plain = _CODE.sub("", _FENCED.sub("", text))
    return (link for link in _LINK.findall(plain) if not re.match(r"[a-z][a-z0-9+.-]*:", link))


def _is_there(root: Path, page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (root / name.lstrip("/") if name.startswith("/") else page.parent / name) if name else page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.read_text())
