"""Looks at the demo's shop in Debian's Chromium; with `--picture` README.md's first picture is made anew."""

import shutil
import sys

from tools import NODE, ROOT, TOOLS, chromium, demo, node_modules, run

PICTURE = ROOT / "docs/storefront.png"
MOST = 300_000


def main() -> None:
    node_modules(NODE)
    browser = chromium()
    shots = TOOLS / "storefront"
    shots.mkdir(parents=True, exist_ok=True)
    with demo() as urls:
        run("node", "storefront.mjs", browser, urls["shop"], urls["control"], shots, cwd=NODE)
    if "--picture" in sys.argv:
        shutil.copy(shots / "readme.png", PICTURE)
    size = PICTURE.stat().st_size
    assert size < MOST, f"{PICTURE} has {size} bytes"
    print(f"screenshots are in {shots.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
