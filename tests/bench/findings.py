# SPDX-License-Identifier: Apache-2.0
"""What a scenario of storage found: tables, targets that hold or not, remarks."""

import report


def number(value):
    return report.number(value)


def mb(size):
    return report.number(size / 1e6)


class Finding:
    def __init__(self, name, title):
        self.name = name
        self.title = title
        self.tables = []
        self.targets = []
        self.notes = []

    def table(self, header, rows):
        self.tables.append({"header": header, "rows": rows})

    def target(self, what, value, at_most=None, at_least=None):
        """A goal of the project. A run does not fail for it: a machine's noise would."""
        self.targets.append({"what": what, "value": value, "at_most": at_most,
                             "at_least": at_least})

    def note(self, text):
        self.notes.append(text)

    def print(self):
        print(f"### {self.name}: {self.title}\n")
        for table in self.tables:
            report.print_table(table["header"], table["rows"])
        for target in self.targets:
            limit, sign = ((target["at_most"], "at most") if target["at_most"] is not None
                           else (target["at_least"], "at least"))
            held = target["value"] <= limit if sign == "at most" else target["value"] >= limit
            print(f"- {target['what']}: {number(target['value'])} ({sign} {limit:g}: "
                  f"{'held' if held else 'MISSED'})")
        for note in self.notes:
            print(f"- {note}")
        print()
