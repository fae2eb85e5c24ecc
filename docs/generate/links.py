"""Check built pages: links inside lead somewhere, and nothing is loaded from outside."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("link", "href"), ("object", "data")}
HARMLESS = {"canonical", "next", "prev", "index", "search"}


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one tag holds."""
        held = dict(attrs)
        self.anchors |= {held[key] or "" for key in ("id", "name") if key in held}
        for key in ("href", "src", "data"):
            url = held.get(key)
            if url is None or held.get("rel") in HARMLESS:
                continue
            loaded = key == "src" or (tag, key) in LOADED
            (self.loads if loaded else self.links).append(url)


def faults(folder: Path) -> list[str]:
    """Return a line for each link that leads nowhere and each thing loaded from outside."""
    pages = {
        file.resolve(): Page(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.html"))
    }
    found = []
    for file, page in pages.items():
        name = file.relative_to(folder.resolve())
        outside = [url for url in page.loads if urlsplit(url).scheme not in {"", "data"}]
        outside += [url for url in page.loads if url.startswith("//")]
        found += [f"{name} loads {url[:120]}" for url in outside]
        found += [f"{name} leads to {u}" for u in page.links if u in {"http://", "https://"}]
        inside = [url for url in (*page.links, *page.loads) if not any(urlsplit(url)[:2])]
        found += [f"{name} leads to {url}" for url in inside if not _leads(url, file, pages)]
    return found


def _leads(url: str, file: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(url)
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target not in pages:
        return target.is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors
