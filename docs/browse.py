"""Look at every page of a built site in a real browser, wide and narrow, light and dark.

python docs/browse.py SITE PICTURES [--only PATTERN] [--sources]

Takes a screenshot of each page at 1280 and 390 pixels in both colour schemes, puts them together on
contact sheets, and tells which page is wider than its window, has an image that does not load, or
writes an error to the console: the exit status is 1 if one does. Needs `pip install playwright` and
a Chromium that is installed already; with Chromium alone it takes the screenshots only.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
HEIGHTS = {1280: 900, 390: 844}
LOOK = """() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    raw: document.querySelectorAll('mjx-merror').length,
})"""


def pages(site: Path, patterns: Sequence[str] = ("*",), sources: bool = False) -> list[Path]:
    """Return the pages of a site; those of its source code only if asked for."""
    found = sorted(site.rglob("*.html"))
    kept = [page for page in found if sources or "_modules" not in page.relative_to(site).parts]
    return [page for page in kept if any(map(page.relative_to(site).match, patterns))]


def chromium() -> str:
    """Return the path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("no Chromium is installed")


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser that asks for nothing from outside."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        try:
            yield opened
        finally:
            opened.close()


def opened(browser: Any, width: int, scheme: str) -> Any:
    """Return a window of a width in a colour scheme, which reaches files only."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=scheme,
        reduced_motion="reduce",
        offline=True,
    )
    return context.new_page()


def show(window: Any, page: Path) -> None:
    """Open a page and wait until its formulas are set."""
    window.goto(page.resolve().as_uri(), wait_until="load")
    window.evaluate("() => window.MathJax?.startup?.promise")


def listen(window: Any, said: list[str]) -> None:
    """Keep what a window says of errors."""
    window.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    window.on("pageerror", lambda error: said.append(str(error)))


def look(site: Path, found: list[Path], folder: Path) -> list[str]:
    """Take the screenshots; return what is wrong, a line each."""
    problems = []
    with browser() as running:
        for width in WIDTHS:
            for scheme in SCHEMES:
                window = opened(running, width, scheme)
                said: list[str] = []
                listen(window, said)
                for page in found:
                    said.clear()
                    show(window, page)
                    seen = window.evaluate(LOOK)
                    name = page.relative_to(site)
                    where = f"{name}, {width} pixels, {scheme}"
                    if seen["wide"] > 0:
                        problems.append(f"{where}: {seen['wide']} pixels wider than the window")
                    problems += [f"{where}: {source} does not load" for source in seen["broken"]]
                    problems += [f"{where}: {text}" for text in said]
                    if seen["raw"]:
                        problems.append(f"{where}: {seen['raw']} formulas are not understood")
                    window.screenshot(path=picture(folder, name, width, scheme))
                window.context.close()
    return problems


def picture(folder: Path, name: Path, width: int, scheme: str) -> Path:
    """Return the file of a screenshot."""
    flat = "-".join(name.with_suffix("").parts)
    return folder / f"{width}-{scheme}" / f"{flat}.png"


def screenshots_only(site: Path, found: list[Path], folder: Path) -> None:
    """Take screenshots with Chromium alone, in the light scheme."""
    for width in WIDTHS:
        for page in found:
            file = picture(folder, page.relative_to(site), width, "light")
            file.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                [
                    *[chromium(), "--headless", "--no-sandbox", "--disable-gpu"],
                    *[f"--window-size={width},{HEIGHTS[width]}", f"--screenshot={file}"],
                    page.resolve().as_uri(),
                ],
                check=True,
                capture_output=True,
            )


def contact_sheets(folder: Path, columns: int = 6, size: int = 320) -> None:
    """Put the screenshots of each window together, 24 on a sheet."""
    from PIL import Image

    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(kind.glob("*.png"))
        for start in range(0, len(files), 4 * columns):
            shown = [Image.open(file) for file in files[start : start + 4 * columns]]
            for image in shown:
                image.thumbnail((size, 2 * size))
            high = max(image.height for image in shown)
            rows = -(-len(shown) // columns)
            sheet = Image.new("RGB", (columns * size, rows * (high + 8)), "gray")
            for place, image in enumerate(shown):
                row, column = divmod(place, columns)
                sheet.paste(image, (column * size, row * (high + 8)))
            sheet.save(folder / f"sheet-{kind.name}-{start // (4 * columns) + 1}.png")


def main() -> int:
    """Look at what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder of a built site")
    parser.add_argument("pictures", type=Path, help="where to write the screenshots")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="some pages, as 'api/*'"
    )
    parser.add_argument("--sources", action="store_true", help="pages of source code too")
    options = parser.parse_args()
    found = pages(options.site, options.only, options.sources)
    try:
        import playwright  # noqa: F401
    except ImportError:
        screenshots_only(options.site, found, options.pictures)
        print(f"{len(found)} pages; for more than screenshots: pip install playwright")
        return 0
    problems = look(options.site, found, options.pictures)
    contact_sheets(options.pictures)
    print("\n".join(problems) or f"{len(found)} pages, nothing wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
