"""Check a built site, file by file.

Links lead somewhere, images say what they show, file names differ, formulas are set as formulas,
and what the lists of names say of each is a sentence.

python .ci/check_site.py FOLDER
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# Not read as prose: code, formulas, signatures, and the names of parameters.
NO_PROSE = {"code", "pre", "script", "style", "strong", "title"}
NO_PROSE_CLASSES = {"math", "sig", "genindextable"}
# A_{W,N}, x^2, W_N ... W_1, \mathcal, or a role that was not understood.
RAW = re.compile(
    r"\w_\{|\^|\b[A-Z]_\w\b|\b\w_[ijkl]{1,2}\b|\w_\w+ (\.\.\.|…) |\\[a-z]{2,}|:[a-z]+:`|``"
)


class Page(HTMLParser):
    """The links, the images, the anchors, the prose and the summaries of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.anchors, self.images = path, [], set(), []
        self.open: list[tuple[str, bool]] = []
        self.prose, self.summaries = "", []
        self.column, self.in_list = 0, False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is needed of a tag."""
        found = dict(attrs)
        classes = set((found.get("class") or "").split())
        if tag not in VOID:
            self.open.append((tag, tag in NO_PROSE or bool(classes & NO_PROSE_CLASSES)))
        if tag == "table":
            self.in_list = "autosummary" in classes
        elif tag == "tr":
            self.column = 0
        elif tag == "td":
            self.column += 1
            if self.in_list and self.column == 2:
                self.summaries.append("")
        if found.get("id"):
            self.anchors.add(found["id"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in ("img", "link", "script") and (found.get("src") or found.get("href")):
            self.links.append(found.get("src") or found["href"])
        if tag == "img":
            self.images.append((found.get("src", ""), (found.get("alt") or "").strip()))

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag, and those in it that have no end."""
        if tag in [name for name, _ in self.open]:
            while self.open.pop()[0] != tag:
                pass
        if tag == "table":
            self.in_list = False

    def handle_data(self, data: str) -> None:
        """Keep what is to be read."""
        if self.in_list and self.column == 2 and self.open and self.open[-1][0] != "table":
            self.summaries[-1] += data
        self.prose += "\0" if any(skipped for _, skipped in self.open) else data


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
            # The anchors of names with two addresses are those of one of them.
            if name.parts[0] == "_modules":
                continue
            if anchors is not None and unquote(parts.fragment) not in anchors:
                found.append(f"{name}: {link} leads to no anchor")
        # Furo's logo and thumbnails aside, a picture is described by more than two words.
        found += [
            f"{name}: {source} has the alternative text {text!r}"
            for source, text in page.images
            if len(text.split()) < 3 and "_thumb" not in source
        ]
        if name.parts[0] == "_modules":
            continue
        found += [f"{name}: a formula or role as plain text: {text!r}" for text in raw(page.prose)]
        found += [
            f"{name}: the summary {text!r} is no sentence"
            for text in (" ".join(summary.split()) for summary in page.summaries)
            if not is_sentence(text)
        ]
    return found


def raw(prose: str) -> list[str]:
    """Return pieces of a text that are formulas in the notation of the sources."""
    text = " ".join(prose.split())
    return [text[max(found.start() - 30, 0) : found.end() + 30] for found in RAW.finditer(text)]


def is_sentence(summary: str) -> bool:
    """Whether a summary is one: cut off at no dots, and more than a word or two."""
    closed = summary.endswith((".", "?", ".)"))
    return closed and len(summary) > 20 and not re.search(r"(\w_\w+ |\.\.|[(=,] ?)\.$", summary)


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join(lines) or "all links within the site lead somewhere, all images are described")
    sys.exit(1 if lines else 0)
