"""Check a built site: links lead somewhere, images say what they show, file names differ.

python .ci/check_site.py FOLDER
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links, the images and the anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.anchors, self.images = path, [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is needed of a tag."""
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(found["id"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in ("img", "link", "script") and (found.get("src") or found.get("href")):
            self.links.append(found.get("src") or found["href"])
        if tag == "img":
            self.images.append((found.get("src", ""), (found.get("alt") or "").strip()))


def problems(site: Path) -> list[str]:
    """Return what is wrong, a line each."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: no pages"]
    files: dict[str, Path] = {}
    for file in sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file()):
        other = files.setdefault(str(file).lower(), file)
        if other != file:
            found.append(f"{other} and {file} are one file where names have no case")
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{name}: {link} leads to no file")
                continue
            anchors = pages[target].anchors | {"", "top"} if target in pages else None
            if anchors is not None and unquote(parts.fragment) not in anchors:
                found.append(f"{name}: {link} leads to no anchor")
        # Furo's logo and thumbnails aside, a picture is described by more than two words.
        found += [
            f"{name}: {source} has the alternative text {text!r}"
            for source, text in page.images
            if len(text.split()) < 3 and "_thumb" not in source
        ]
    return found


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join(lines) or "all links within the site lead somewhere, all images are described")
    sys.exit(1 if lines else 0)
