"""An attribute that may not be searched costs what an unknown one costs (hardening HC1), counted in entries looked at: by whether
a search reaches the look-through limit. What it costs in time is in tests/long/search_timing.py."""

import unittest

import hidden
import ldap
from ldap.controls import SimplePagedResultsControl
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

    def test_hc1_whether_there_is_another_page_does_not_tell_of_what_is_hidden(self):
        # More people than a step looks at many times over. Their UUIDs are indexed, and may not be searched.
        server = hidden.Mixed("look_through = 100000", count=4_500)
        self.addCleanup(server.end)
        client = ldap.initialize(server.url)
        client.simple_bind_s(*hidden.READER)
        asked = [SimplePagedResultsControl(True, size=1, cookie="")]
        sent = client.search_ext(hidden.PEOPLE, ldap.SCOPE_ONELEVEL, "(|(cn=value1)(entryUUID=*))", ["1.1"], serverctrls=asked)
        _, entries, _, controls = client.result3(sent)
        self.assertEqual((len(entries), controls[0].cookie), (1, b""), "the first page is the last")
