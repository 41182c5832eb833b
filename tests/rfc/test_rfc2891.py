"""RFC 2891: results sorted by the server."""

import wire
from ber import octets, sequence
from conformance import Conformance
from controls import SORT, SORTED, page_of, paged, sort, sorted_of
from wire import SUB

SUCCESS, PROTOCOL_ERROR, UNAVAILABLE_CRITICAL, NO_SUCH_ATTRIBUTE, INAPPROPRIATE_MATCHING = 0, 2, 12, 16, 18


class Sorted(Conformance):
    NEEDS = (SORT,)

    def setUp(self):
        super().setUp()
        people = {"a": ("Zeta", ["10"]), "b": ("alpha", ["9"]), "c": ("Beta", []), "d": ("alpha", ["100", "1"]), "e": ("éclair", ["b", "20"])}
        for name, (surname, titles) in people.items():
            self.person(name, sn=[surname], **({"title": titles} if titles else {}))

    def order(self, *keys, text="(objectClass=person)", controls=(), **options):
        *found, done = self.wire.exchange(wire.search(self.base, SUB, text, **options), [sort(*keys), *controls])
        self.assertEqual(done.code, SUCCESS, done)
        self.assertEqual(sorted_of(done), (SUCCESS, None))
        return "".join(answer.dn[3] for answer in found)

    def test_ascending(self):
        """RFC 2891 §2: entries come in the order of the key, by the type's ordering rule."""
        self.assertEqual(self.order("cn"), "abcde")
        self.assertIn(self.order("sn"), ("bdcae", "dbcae", "bdcea", "dbcea"))

    def test_reverse(self):
        """RFC 2891 §1.1: reverseOrder turns the order of a key."""
        self.assertEqual(self.order(("cn", None, True)), "edcba")
        self.assertEqual(self.order(("cn", None, False)), "abcde")

    def test_several_keys(self):
        """RFC 2891 §1.1: keys count in the order given."""
        self.assertEqual(self.order("sn", "cn")[:2], "bd")
        self.assertEqual(self.order("sn", ("cn", None, True))[:2], "db")

    def test_missing_attribute_is_last(self):
        """RFC 2891 §2: an entry without the key is treated as if its value were larger than all others."""
        self.assertEqual(self.order("title")[-1], "c")
        self.assertEqual(self.order(("title", None, True))[0], "c")

    def test_least_value_counts(self):
        """RFC 2891 §2: of several values the least one counts."""
        self.assertEqual(self.order("title"), "daebc")

    def test_rule_given(self):
        """RFC 2891 §1.1: orderingRule is used in the place of the type's own."""
        self.assertEqual(self.order(("sn", "caseExactOrderingMatch", None), "cn"), "cabde")
        self.assertEqual(self.order(("sn", "2.5.13.6", None), "cn"), "cabde")

    def test_unknown_attribute_critical(self):
        """RFC 2891 §2: a critical sort that cannot be done is unavailableCriticalExtension with no entries, and says why."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB), [sort("noSuchType")])
        self.assertEqual((found, done.code), ([], UNAVAILABLE_CRITICAL))
        self.assertIn(sorted_of(done)[0], (NO_SUCH_ATTRIBUTE, 17, 80))

    def test_unknown_attribute_not_critical(self):
        """RFC 2891 §2: a sort that is not critical and cannot be done leaves the results unsorted, and says why."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(objectClass=person)"), [sort("noSuchType", critical=False)])
        self.assertEqual((len(found), done.code), (5, SUCCESS))
        result, attribute = sorted_of(done)
        self.assertIn(result, (NO_SUCH_ATTRIBUTE, 17, 80))
        self.assertIn(attribute, (None, "noSuchType"))

    def test_unknown_rule(self):
        """RFC 2891 §1.2: an ordering rule that is not known, or not for the type, is inappropriateMatching."""
        for rule in ("noSuchRule", "1.2.3.4"):
            *found, done = self.wire.exchange(wire.search(self.base, SUB), [sort(("sn", rule, None))])
            self.assertEqual((found, done.code, sorted_of(done)[0]), ([], UNAVAILABLE_CRITICAL, INAPPROPRIATE_MATCHING))

    def test_no_ordering_rule(self):
        """RFC 2891 §1.2: a type without ordering rule is inappropriateMatching, or ordered by what the server chooses."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(objectClass=person)"), [sort("jpegPhoto", critical=False)])
        self.assertEqual((len(found), done.code), (5, SUCCESS))
        self.assertIn(sorted_of(done)[0], (SUCCESS, INAPPROPRIATE_MATCHING))

    def test_response_only_when_asked(self):
        """RFC 2891 §1.2: the response control goes with the request control."""
        *_, done = self.wire.exchange(wire.search(self.base, SUB))
        self.assertEqual([oid for oid, _, _ in done.controls], [])

    def test_with_pages(self):
        """RFC 2891 §2, RFC 2696: pages of a sorted search go on in its order."""
        found, cookie = "", b""
        while True:
            *page, done = self.wire.exchange(wire.search(self.base, SUB, "(objectClass=person)"), [sort(("cn", None, True)), paged(2, cookie)])
            self.assertEqual(done.code, SUCCESS, done)
            found += "".join(answer.dn[3] for answer in page)
            cookie = page_of(done)[1]
            if not cookie:
                break
        self.assertEqual(found, "edcba")

    def test_damaged(self):
        """RFC 2891 §1.1: the value is a list of keys; a damaged or empty one is protocolError (or not available)."""
        for value in (b"", sequence(), sequence(sequence()), octets("cn")):
            answer = self.wire.request(wire.search(self.base, SUB), [wire.control(SORT, True, value)])
            self.assertIn(answer.code, (PROTOCOL_ERROR, UNAVAILABLE_CRITICAL))

    def test_same_key_twice(self):
        """RFC 2891 §1.1: attribute types in the list should be unique; a second time says nothing new or is refused."""
        answer = self.wire.request(wire.search(self.base, SUB), [sort("cn", "cn")])
        self.assertIn(answer.code, (SUCCESS, PROTOCOL_ERROR, UNAVAILABLE_CRITICAL, 53))

    def test_listed(self):
        """RFC 2891 §1: the request control is in supportedControl."""
        self.assertIn(SORT, self.wire.entry("", "supportedControl").values("supportedControl"))

    def test_by_python_ldap(self):
        """RFC 2891 §2: OpenLDAP's library gets what it asks for."""
        import ldap
        from ldap.controls.sss import SSSRequestControl

        c = self.library()
        request = SSSRequestControl(criticality=True, ordering_rules=["-cn"])
        _, data, _, controls = c.result3(c.search_ext(self.base, ldap.SCOPE_SUBTREE, "(objectClass=person)", ["cn"], serverctrls=[request]))
        self.assertEqual([entry["cn"][0] for _, entry in data], [b"e", b"d", b"c", b"b", b"a"])
        self.assertEqual([x.controlType for x in controls], [SORTED])
