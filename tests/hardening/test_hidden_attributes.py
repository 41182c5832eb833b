"""An attribute that may not be searched costs what an unknown one costs (hardening HC1), counted in entries looked at: by whether
a search reaches the look-through limit. What it costs in time is in tests/long/search_timing.py."""

import unittest

import hidden
from target import search


class HiddenAttributes(unittest.TestCase):
    def outcomes(self, limit):
        """The result of each search, by its form and the attribute, where so many entries may be looked at."""
        server = hidden.Mixed(f"look_through = {limit}")
        self.addCleanup(server.end)
        with server.reader() as client:
            form = lambda filter: [client.ask(search(base, scope, filter, "1.1")) for base, scope in ((hidden.PEOPLE, 2), (hidden.PEOPLE, 1))]
            return {what: {name: form(make(name)) for name in ("cn", "noSuchThing", *hidden.HIDDEN)} for what, make in hidden.forms().items()}

    def test_hc1_a_hidden_attribute_is_looked_for_as_far_as_an_unknown_one(self):
        differ = set()
        for limit in (1, hidden.COUNT // 2, 4 * hidden.COUNT):
            for what, found in self.outcomes(limit).items():
                for name in hidden.HIDDEN:
                    self.assertEqual(found[name], found["noSuchThing"], f"{what}: {name}, with a limit of {limit}")
                if found["cn"] != found["noSuchThing"]:
                    differ.add(what)
        self.assertGreater(len(differ), 6, "an attribute that may be searched is told from an unknown one")
