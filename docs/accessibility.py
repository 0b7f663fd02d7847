"""Check the accessibility of every page of a built site by axe-core, light and dark.

npm install axe-core
python docs/accessibility.py SITE node_modules/axe-core/axe.min.js [--only PATTERN]

Tells each kind of finding with its pages and an element, the worst first; the exit status is 1 if a
finding is serious or critical. Needs playwright, as `browse.py` does.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from browse import SCHEMES, browser, opened, pages, show

BAD = ("critical", "serious")
RUN = """() => axe.run(document, {resultTypes: ['violations']}).then(result =>
    result.violations.map(v => ({
        id: v.id, impact: v.impact, help: v.help,
        nodes: v.nodes.map(n => [n.html.slice(0, 300), n.failureSummary]),
    })))"""


def check(
    site: Path, axe: Path, patterns: Sequence[str], width: int
) -> dict[tuple[str, ...], list[tuple]]:
    """Return for each kind of finding the pages, elements and explanations."""
    found = defaultdict(list)
    with browser() as running:
        for scheme in SCHEMES:
            window = opened(running, width, scheme)
            for page in pages(site, patterns):
                show(window, page)
                window.add_script_tag(path=str(axe))
                for finding in window.evaluate(RUN):
                    kind = (finding["impact"] or "minor", finding["id"], finding["help"])
                    where = f"{page.relative_to(site)}, {scheme}"
                    found[kind] += [(where, *node) for node in finding["nodes"]]
            window.context.close()
    return found


def main() -> int:
    """Check what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder of a built site")
    parser.add_argument("axe", type=Path, help="axe.min.js")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="some pages, as 'api/*'"
    )
    parser.add_argument("--width", type=int, default=1280, choices=(1280, 390))
    parser.add_argument("--elements", type=int, default=3, help="how many to show of each kind")
    options = parser.parse_args()
    found = check(options.site, options.axe, options.only, options.width)
    order = [*BAD, "moderate", "minor"]
    for kind in sorted(found, key=lambda kind: (order.index(kind[0]), kind)):
        impact, name, text = kind
        places = sorted({where for where, *_ in found[kind]})
        print(f"{impact}: {name}: {text}; {len(found[kind])} elements on {len(places)} pages")
        for where, html, why in found[kind][: options.elements]:
            print(f"    {where}\n        {html}\n        {' '.join(why.split())}")
    bad = [kind for kind in found if kind[0] in BAD]
    print(f"{len(bad)} kinds of serious or critical findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
