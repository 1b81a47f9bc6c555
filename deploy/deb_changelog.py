"""CHANGELOG.md as Debian's changelog: "## 1.0.0 - 2026-11-21" begins an entry, each "- " in it is an item."""

import datetime
import re
import sys
import textwrap
from pathlib import Path

MAINTAINER = "Penny Sandbox <packages@penny.invalid>"


def entries(text):
    for head, body in re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", text):
        version, _, date = head.partition(" - ")
        items = [" ".join(item.split()) for item in re.findall(r"(?ms)^- (.*?)(?=^- |^#|^$|\Z)", body)]
        yield version, datetime.date.fromisoformat(date), [re.sub(r"[*`]|\[([^]]*)\]\([^)]*\)", r"\1", item) for item in items]


def main():
    for version, date, items in entries(Path(sys.argv[1]).read_text()):
        print(f"penny-sandbox ({version}) unstable; urgency=medium\n")
        for item in items:
            print("\n".join(textwrap.wrap(item, 76, initial_indent="  * ", subsequent_indent="    ")))
        print(f"\n -- {MAINTAINER}  {date.strftime('%a, %d %b %Y')} 00:00:00 +0000\n")


if __name__ == "__main__":
    main()
