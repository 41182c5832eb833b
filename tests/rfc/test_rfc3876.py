"""RFC 3876: only the values that match."""

import wire
from ber import octets, sequence
from conformance import Conformance
from controls import MATCHED, matched
from wire import REPLACE

PROTOCOL_ERROR, UNAVAILABLE_CRITICAL = 2, 12


class MatchedValues(Conformance):
    NEEDS = (MATCHED,)

    def setUp(self):
        super().setUp()
        self.dn = self.person("a", mail=["a@one.example", "a@two.example", "b@one.example"], description=["red", "green"], title=["chief"])

    def shown(self, *items, attributes=(), **options):
        """What is shown of the entry, without attributes that have no value left."""
        (found,) = self.wire.entries(self.dn, attributes=attributes, controls=[matched(*items)], **options)
        return {name: sorted(value.decode() for value in values) for name, values in found.attributes.items() if values}

    def test_equality(self):
        """RFC 3876 §2: of the attribute in the filter only the values that match are returned."""
        self.assertEqual(self.shown("(mail=A@one.example)", attributes=["mail"]), {"mail": ["a@one.example"]})

    def test_substrings(self):
        """RFC 3876 §2: substrings."""
        self.assertEqual(self.shown("(mail=*@one.example)", attributes=["mail"]), {"mail": ["a@one.example", "b@one.example"]})

    def test_presence(self):
        """RFC 3876 §2: presence matches all values."""
        self.assertEqual(self.shown("(mail=*)", attributes=["mail"]), {"mail": ["a@one.example", "a@two.example", "b@one.example"]})

    def test_extensible(self):
        """RFC 3876 §2: a simple matching assertion, with rule or type or both."""
        self.assertEqual(self.shown("(mail:caseExactIA5Match:=a@two.example)", attributes=["mail"]), {"mail": ["a@two.example"]})
        self.assertEqual(self.shown("(:caseIgnoreMatch:=RED)", attributes=["description"]), {"description": ["red"]})

    def test_several_items(self):
        """RFC 3876 §2: a value is returned where one of the items matches."""
        self.assertEqual(self.shown("(mail=a@two*)", "(description=green)", attributes=["mail", "description"]), {"mail": ["a@two.example"], "description": ["green"]})

    def test_attributes_without_an_item(self):
        """RFC 3876 §2: of an attribute that no item is about no value matches."""
        self.assertEqual(self.shown("(mail=a@two*)", attributes=["mail", "title"]), {"mail": ["a@two.example"]})

    def test_no_value_matches(self):
        """RFC 3876 §2: where no value matches the attribute has none; the entry is returned all the same."""
        self.assertEqual(self.shown("(mail=nobody)", attributes=["mail"]), {})

    def test_does_not_choose_entries(self):
        """RFC 3876 §1: which entries are returned is for the search filter alone."""
        self.person("b", mail=["x@one.example"])
        found = self.wire.entries(self.base, wire.SUB, "(mail=*@one.example)", attributes=["mail"], controls=[matched("(mail=a@two*)")])
        self.assertEqual(len(found), 2)

    def test_entry_is_not_changed(self):
        """RFC 3876 §1: the values are still there."""
        self.shown("(mail=a@two*)")
        self.assertEqual(len(self.wire.entry(self.dn).values("mail")), 3)

    def test_undefined_item(self):
        """RFC 3876 §2: an item of an unknown type or rule is Undefined and matches no value."""
        self.assertEqual(self.shown("(noSuchType=x)", "(title=chief)", attributes=["mail", "title"]), {"title": ["chief"]})

    def test_types_only(self):
        """RFC 3876 §2, RFC 4511 §4.5.1.6: with typesOnly no values are returned anyway."""
        (found,) = self.wire.entries(self.dn, attributes=["mail"], types_only=True, controls=[matched("(mail=a@two*)")])
        self.assertTrue(all(not values for values in found.attributes.values()))

    def test_damaged(self):
        """RFC 3876 §2: the value is a list of simple items: no and, or, not, and no :dn:."""
        for value in (b"", octets("x"), sequence(wire.filter_of("(&(mail=x))")), sequence(wire.filter_of("(!(mail=x))")), sequence(sequence())):
            self.refused(PROTOCOL_ERROR, wire.search(self.dn), [wire.control(MATCHED, True, value)])

    def test_not_with_other_operations(self):
        """RFC 3876 §2, RFC 4511 §4.1.11: the control is of searches."""
        self.refused(UNAVAILABLE_CRITICAL, wire.modify(self.dn, (REPLACE, "title", ["x"])), [matched("(mail=*)")])
