"""The summary of a matrix on a page: for each role and kind, the letters of what was done."""

import collections
import os
import pathlib

FILE = pathlib.Path(__file__).with_name("golden.txt")
LETTERS = {"read": "R", "search": "S", "compare": "C", "write": "W", "add": "A", "delete": "D", "rename": "N"}
HEAD = """\
What the server did, by role (down) and kind (across). R read, S search, C compare, W write, A add, D delete, N rename: a capital
where each entry of the kind (of its attributes any) was given, a small letter where some were. `own` is of oneself, `other` is all of
another organisation, `outside` what is in none. Made by HEADCOUNT_GOLDEN=write; every cell behind it is held against rules.py.
"""


def column(about, target):
    """The column that a target is in."""
    if about in ("self", "own session", "own note"):
        return f"own {target.kind}" if about != "own note" else "content"
    if about.startswith("other "):
        return "other"
    return target.kind


class Summary:
    """Counts what was given."""

    def __init__(self):
        self.seen = collections.defaultdict(lambda: collections.defaultdict(set))
        self.rows, self.columns = {}, {}

    def saw(self, row, column, operation, given, entry=""):
        self.rows[row] = self.columns[column] = True
        self.seen[row, column, operation][given].add(entry)

    def cell(self, row, column):
        letters = ""
        for operation, letter in LETTERS.items():
            held = self.seen.get((row, column, operation), {})
            if given := held.get(True):
                letters += letter if given >= held.get(False, set()) else letter.lower()
        return letters or "-"

    def text(self):
        width = lambda column: max(len(column), *(len(self.cell(row, column)) for row in self.rows)) + 2
        widths = {column: width(column) for column in self.columns}
        lines = [" " * 20 + "".join(column.ljust(widths[column]) for column in self.columns)]
        lines += [row.ljust(20) + "".join(self.cell(row, column).ljust(widths[column]) for column in self.columns) for row in self.rows]
        return "".join(line.rstrip() + "\n" for line in lines)


def hold(test, part, summary):
    """Holds the summary against its part of the file, or writes that anew."""
    parts = dict(piece.split("\n", 1) for piece in FILE.read_text().split("\n== ")[1:]) if FILE.exists() else {}
    if os.environ.get("HEADCOUNT_GOLDEN") == "write":
        parts[part] = summary.text()
        FILE.write_text(HEAD + "".join(f"\n== {name}\n{parts[name].rstrip()}\n" for name in sorted(parts)))
    else:
        test.assertEqual(parts.get(part, "").rstrip(), summary.text().rstrip())
