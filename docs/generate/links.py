"""Check built pages: no internal link is broken, and nothing is loaded from outside."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("link", "href"), ("object", "data")}
HARMLESS = {"canonical", "next", "prev", "index", "search"}


class Page(HTMLParser):
    """The anchors, the links and the loaded resources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the anchors, links and resources of one tag."""
        attributes = dict(attrs)
        self.anchors |= {attributes[key] or "" for key in ("id", "name") if key in attributes}
        for key in ("href", "src", "data"):
            url = attributes.get(key)
            if url is None or attributes.get("rel") in HARMLESS:
                continue
            loaded = key == "src" or (tag, key) in LOADED
            (self.loads if loaded else self.links).append(url)


def faults(folder: Path) -> list[str]:
    """Return a line for each broken link and each resource loaded from outside."""
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
        found += [f"{name}: broken link {u}" for u in page.links if u in {"http://", "https://"}]
        inside = [url for url in (*page.links, *page.loads) if not any(urlsplit(url)[:2])]
        found += [f"{name}: broken link {url}" for url in inside if not _exists(url, file, pages)]
    return found


def _exists(url: str, file: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(url)
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target not in pages:
        return target.is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors
