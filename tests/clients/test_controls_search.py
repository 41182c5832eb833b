"""Controls of a search, by python-ldap: sorted, in pages, as views of a list; the codes are slapd's where it has the control."""

import unittest

import ldap
from ldap.controls.libldap import SimplePagedResultsControl
from ldap.controls.sss import SSSRequestControl, SSSResponseControl
from ldap.controls.vlv import VLVRequestControl, VLVResponseControl

from controls_setup import FOLK, OPERATOR, PEOPLE, SUFFIX, Headcount, Slapd, connect, fill, search

UNAVAILABLE_CRITICAL_EXTENSION = 12
NO_SUCH_ATTRIBUTE = 16
INAPPROPRIATE_MATCHING = 18
UNWILLING = 53
SORT_MISSING = 60
OFFSET_RANGE = 61
VIEW_ERROR = 76
INTEGER_ORDER = "2.5.13.15"
EXACT_ORDER = "caseExactOrderingMatch"
PERSON = "(objectClass=inetOrgPerson)"


def sort(*keys, critical=True):
    return SSSRequestControl(critical, list(keys))


def page(size, cookie=b"", critical=True):
    return SimplePagedResultsControl(critical, size, cookie)


class OnServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Headcount(SUFFIX)
        cls.server.start()
        cls.addClassCleanup(cls.server.end)
        cls.operator = fill(cls.server)

    def people(self, *controls, c=None, filter=PERSON, **more):
        return search(c or self.operator, PEOPLE, filter, ["cn"], controls=controls, **more)

    def sort_code(self, answer):
        control = answer.controls.get(SSSResponseControl.controlType)
        return control and (int(control.sortResult), control.attributeType and str(control.attributeType))


class Sorting(OnServer):
    def test_by_one_key(self):
        for key, names in {
            "cn": "ann bob cid dan eve",
            "-cn": "eve dan cid bob ann",
            # The case is ignored, equal ones are in order of number.
            "sn": "dan eve cid bob ann",
            "sn:caseExactOrderingMatch": "eve cid ann dan bob",
            "sn:2.5.13.6": "eve cid ann dan bob",
            # The least of several values; who has none comes last, and first in the reversed order.
            "title": "ann bob dan cid eve",
            "-title": "cid eve dan bob ann",
            # createTimestamp has an ordering rule of its own.
            "createTimestamp": "ann bob cid dan eve",
        }.items():
            answer = self.people(sort(key))
            self.assertEqual((answer.code, " ".join(answer.names())), (0, names), key)
            self.assertEqual(self.sort_code(answer), (0, None), key)

    def test_by_several_keys(self):
        answer = self.people(sort("sn", "-cn"))
        self.assertEqual(" ".join(answer.names()), "eve dan cid bob ann")
        answer = self.people(sort("objectClass:caseIgnoreMatch", "cn"))
        self.assertEqual(self.sort_code(answer), (INAPPROPRIATE_MATCHING, "objectClass"))

    def test_an_impossible_sort_is_refused_only_where_it_is_critical(self):
        for key, code in {
            "noSuchThing": NO_SUCH_ATTRIBUTE,
            "userPassword": NO_SUCH_ATTRIBUTE,
            "seeAlso": INAPPROPRIATE_MATCHING,
            "cn:noSuchRule": INAPPROPRIATE_MATCHING,
            "cn:2.5.13.4": INAPPROPRIATE_MATCHING,
            "cn:2.5.13.15": INAPPROPRIATE_MATCHING,
        }.items():
            answer = self.people(sort(key))
            self.assertEqual((answer.code, answer.entries), (UNAVAILABLE_CRITICAL_EXTENSION, []), key)
            self.assertEqual(self.sort_code(answer), (code, key.split(":")[0]))
            answer = self.people(sort(key, critical=False))
            self.assertEqual((answer.code, len(answer.entries)), (0, len(FOLK)), key)
            self.assertEqual(self.sort_code(answer), (code, key.split(":")[0]))

    def test_hc1_an_attribute_that_may_not_be_searched_is_as_an_unknown_one(self):
        reader = connect(self.server, f"uid=reader,{SUFFIX}")
        anonymous = connect(self.server)
        for c, hidden in ((reader, "employeeNumber"), (anonymous, "title"), (anonymous, "createTimestamp"), (anonymous, "seeAlso")):
            for critical in (True, False):
                seen = self.people(sort(hidden, critical=critical), c=c)
                unknown = self.people(sort("noSuchThing", critical=critical), c=c)
                self.assertEqual((seen.code, seen.text, sorted(seen.names())), (unknown.code, unknown.text, sorted(unknown.names())))
                self.assertEqual(self.sort_code(seen), (NO_SUCH_ATTRIBUTE, hidden))
                self.assertEqual(self.sort_code(unknown), (NO_SUCH_ATTRIBUTE, "noSuchThing"))
            # Nor does it show where nothing is found.
            for key in (hidden, "noSuchThing"):
                nothing = self.people(sort(key), c=c, filter="(cn=nobody)")
                self.assertEqual((nothing.code, self.sort_code(nothing)), (0, None))
        self.assertEqual(" ".join(self.people(sort("-employeeNumber")).names()), "bob ann eve cid dan")

    def test_limits_hold(self):
        answer = self.people(sort("-cn"), size=2)
        self.assertEqual((answer.code, answer.names()), (4, ["eve", "dan"]))

    def test_too_many_keys_are_refused(self):
        names = "cn sn title givenName ou l st street mail uid description".split()
        self.assertEqual(self.people(sort(*names)).code, UNWILLING)
        self.assertEqual(self.people(sort("cn", "CN")).code, UNWILLING)


class Paging(OnServer):
    def pages(self, c, size, *controls, limit=50):
        """The names on each page."""
        cookie, pages = b"", []
        while True:
            answer = self.people(page(size, cookie), *controls, c=c)
            self.assertEqual(answer.code, 0, answer.text)
            pages.append(answer.names())
            cookie = answer.controls[SimplePagedResultsControl.controlType].cookie
            if not cookie:
                return pages
            self.assertLess(len(pages), limit)

    def test_pages_of_a_sorted_search(self):
        self.assertEqual(self.pages(self.operator, 2, sort("-cn")), [["eve", "dan"], ["cid", "bob"], ["ann"]])
        self.assertEqual(self.pages(self.operator, 5, sort("cn")), [["ann", "bob", "cid", "dan", "eve"]])

    def test_ha7_sizes_at_the_ends_of_the_range(self):
        for size, code in {0: 0, 1: 0, 2**31 - 1: 0}.items():
            self.assertEqual(self.people(page(size)).code, code, size)
        self.assertEqual(self.people(page(0)).entries, [])
        self.assertEqual(len(self.people(page(2**31 - 1)).entries), len(FOLK))

    def first(self, c, *controls, size=2, **more):
        answer = self.people(page(size), *controls, c=c, **more)
        self.assertEqual(answer.code, 0, answer.text)
        return answer.controls[SimplePagedResultsControl.controlType].cookie

    def refused(self, c, cookie, *controls, **more):
        answer = self.people(page(2, cookie), *controls, c=c, **more)
        self.assertEqual((answer.code, answer.entries), (UNWILLING, []))

    def test_ha7_a_cookie_is_good_for_its_search_only(self):
        c = self.operator
        self.refused(connect(self.server, OPERATOR), self.first(c))
        self.refused(c, self.first(c), filter="(cn=*)")
        self.refused(c, self.first(c), sort("cn"))
        self.refused(c, self.first(c, sort("cn")), sort("-cn"))
        self.refused(c, self.first(c, sort("cn")))
        self.refused(c, b"\0" * 40)
        self.refused(c, b"x")
        cookie = self.first(c)
        self.assertEqual(self.people(page(2, cookie), c=c).names(), ["cid", "dan"])
        self.refused(c, cookie)

    def test_ha7_a_cookie_is_good_for_its_identity_only(self):
        c = connect(self.server, OPERATOR)
        cookie = self.first(c)
        c.simple_bind_s(f"uid=reader,{SUFFIX}", "the operator's own password")
        self.refused(c, cookie)

    def test_ha7_four_cookies_at_a_time(self):
        c = connect(self.server, OPERATOR)
        cookies = [self.first(c) for _ in range(5)]
        self.refused(c, cookies[0])
        for cookie in cookies[1:]:
            self.assertEqual(self.people(page(1, cookie), c=c).names(), ["cid"])

    def test_size_0_with_a_cookie_abandons_the_search(self):
        c = connect(self.server, OPERATOR)
        cookie = self.first(c)
        answer = self.people(page(0, cookie), c=c)
        self.assertEqual((answer.code, answer.entries), (0, []))
        self.assertEqual(answer.controls[SimplePagedResultsControl.controlType].cookie, b"")
        self.refused(c, cookie)

    def test_the_clients_size_limit_is_for_all_pages(self):
        cookie = self.first(self.operator, size=2)
        cookie = self.people(page(2), size=3).controls[SimplePagedResultsControl.controlType].cookie
        answer = self.people(page(2, cookie), size=3)
        self.assertEqual((answer.code, answer.names()), (4, ["cid"]))

    def test_a_page_is_no_larger_than_a_search_may_return(self):
        for number in range(150):
            dn = f"uid=many{number},ou=groups,{SUFFIX}"
            self.operator.add_s(dn, [("objectClass", b"inetOrgPerson"), ("cn", b"many"), ("sn", b"%d" % number)])
        c = connect(self.server, f"uid=reader,{SUFFIX}")
        base = f"ou=groups,{SUFFIX}"
        self.assertEqual(search(c, base, "(cn=many)").code, 4)
        first = search(c, base, "(cn=many)", controls=[page(5000)])
        self.assertEqual((first.code, len(first.entries)), (0, 100))
        rest = search(c, base, "(cn=many)", controls=[page(5000, first.controls[SimplePagedResultsControl.controlType].cookie)])
        self.assertEqual((rest.code, len(rest.entries)), (0, 50))
        self.assertFalse({dn for dn, _ in first.entries} & {dn for dn, _ in rest.entries})


class Views(OnServer):
    def view(self, before, after, offset=None, count=0, value=None, key="cn", context=None, c=None, controls=None, **more):
        control = VLVRequestControl(True, before, after, offset, count, value, context)
        answer = self.people(*([sort(key)] if controls is None else controls), control, c=c, **more)
        return answer, answer.controls.get(VLVResponseControl.controlType)

    def shown(self, *args, **more):
        answer, control = self.view(*args, **more)
        self.assertEqual((answer.code, control.result), (0, 0), answer.text)
        return " ".join(answer.names()), control.targetPosition, control.contentCount

    def test_by_offset(self):
        self.assertEqual(self.shown(0, 1, 1), ("ann bob", 1, 5))
        self.assertEqual(self.shown(1, 1, 3), ("bob cid dan", 3, 5))
        self.assertEqual(self.shown(10, 10, 3), ("ann bob cid dan eve", 3, 5))
        self.assertEqual(self.shown(1, 0, 5, 5), ("dan eve", 5, 5))
        self.assertEqual(self.shown(0, 0, 7, 7), ("eve", 5, 5), "equal numbers mean the last")
        self.assertEqual(self.shown(0, 0, 50, 100), ("cid", 3, 5), "a ratio")
        self.assertEqual(self.shown(0, 0, 1, 0, filter="(cn=nobody)"), ("", 0, 0))

    def test_by_value(self):
        self.assertEqual(self.shown(1, 1, value="c"), ("bob cid dan", 3, 5))
        self.assertEqual(self.shown(1, 1, value="CID"), ("bob cid dan", 3, 5))
        self.assertEqual(self.shown(0, 0, value="a"), ("ann", 1, 5))
        self.assertEqual(self.shown(1, 1, value="zz"), ("eve", 6, 5), "no target")
        self.assertEqual(self.shown(0, 1, value="d", key="-cn"), ("cid bob", 3, 5), "in the reversed order not larger")
        self.assertEqual(self.shown(0, 0, value="f", key="title"), ("bob", 2, 5))

    def failed(self, *args, **more):
        answer, control = self.view(*args, **more)
        self.assertEqual(answer.entries, [])
        return answer.code, control.result

    def test_ha7_numbers_out_of_range(self):
        for offset, count in ((0, 0), (6, 0), (6, 5), (2**31, 2**31), (2**40, 0)):
            self.assertEqual(self.failed(0, 0, offset, count), (VIEW_ERROR, OFFSET_RANGE), (offset, count))
        self.assertEqual(self.shown(2**31 - 1, 2**31 - 1, 2), ("ann bob cid dan eve", 2, 5))
        answer, _ = self.view(2**31, 0, 1)
        self.assertEqual(answer.code, 2)

    def test_what_a_view_needs(self):
        self.assertEqual(self.failed(0, 0, 1, controls=[]), (VIEW_ERROR, SORT_MISSING))
        self.assertEqual(self.failed(0, 0, 1, controls=[sort("cn"), page(5)]), (VIEW_ERROR, UNWILLING))
        self.assertEqual(self.failed(0, 0, 1, key="noSuchThing"), (VIEW_ERROR, UNWILLING))
        self.assertEqual(self.failed(0, 0, value="x", key="createTimestamp"), (VIEW_ERROR, INAPPROPRIATE_MATCHING))

    def test_ha7_a_context_is_good_for_its_list_only(self):
        c = connect(self.server, OPERATOR)
        _, control = self.view(0, 1, 1, c=c)
        context = control.context_id
        self.assertTrue(context)
        again, control = self.view(0, 1, 3, 5, context=context, c=c)
        self.assertEqual((again.names(), control.context_id), (["cid", "dan"], context))
        self.assertEqual(self.failed(0, 1, 1, context=context), (VIEW_ERROR, 2), "another connection")
        self.assertEqual(self.failed(0, 1, 1, context=context, c=c, key="sn"), (VIEW_ERROR, 2), "another order")
        self.assertEqual(self.failed(0, 1, 1, context=context, c=c, filter="(cn=*)"), (VIEW_ERROR, 2), "another filter")
        self.assertEqual(self.failed(0, 1, 1, context=b"x" * 40, c=c), (VIEW_ERROR, 2))
        answer = self.people(page(2, context), c=c)
        self.assertEqual((answer.code, answer.entries), (UNWILLING, []), "no cookie of a page")
        # What changes is seen, with the context or without.
        self.operator.modify_s(f"uid=cid,{PEOPLE}", [(ldap.MOD_ADD, "description", b"changed")])
        self.assertEqual(self.shown(0, 1, 3, 5, context=context, c=c), ("cid dan", 3, 5))
        c.simple_bind_s(f"uid=reader,{SUFFIX}", "the operator's own password")
        self.assertEqual(self.failed(0, 1, 1, context=context, c=c), (VIEW_ERROR, 2), "another identity")


class BesideSlapd(OnServer):
    """The same requests to slapd 2.5 with its sssvlv overlay."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.slapd = Slapd(SUFFIX)
        cls.slapd.start()
        cls.addClassCleanup(cls.slapd.end)
        cls.theirs = fill(cls.slapd)

    def both(self, *controls, **more):
        return [self.people(*controls, c=c, **more) for c in (self.operator, self.theirs)]

    def test_sorted_the_same(self):
        # By caseExactOrderingMatch slapd orders an attribute without regard to case, if its equality rule has none.
        for keys in (["cn:2.5.13.3"], ["-sn:2.5.13.3"], ["title:2.5.13.3"], ["-title:2.5.13.3", "cn:2.5.13.3"], ["createTimestamp"]):
            ours, theirs = self.both(sort(*keys))
            self.assertEqual((ours.code, self.sort_code(ours)), (theirs.code, self.sort_code(theirs)), keys)
            # Entries with equal keys have no order by RFC 2891.
            if "title" not in keys[0] or len(keys) > 1:
                self.assertEqual([n for n in ours.names() if n not in ("dan", "eve")], [n for n in theirs.names() if n not in ("dan", "eve")], keys)

    def test_pages_the_same(self):
        for size in (1, 2, 4, 5, 6):
            ours, theirs = self.both(page(size))
            self.assertEqual((ours.code, len(ours.entries)), (theirs.code, len(theirs.entries)))
            more = [bool(a.controls[SimplePagedResultsControl.controlType].cookie) for a in (ours, theirs)]
            self.assertEqual(*more, size)

    def test_views_the_same(self):
        for before, after, offset, count in ((0, 1, 1, 0), (1, 1, 3, 5), (9, 9, 2, 5), (0, 0, 5, 5), (0, 0, 9, 9)):
            control = VLVRequestControl(True, before, after, offset, count)
            ours, theirs = self.both(sort("cn:2.5.13.3"), control)
            self.assertEqual((ours.code, ours.names()), (theirs.code, theirs.names()), (before, after, offset, count))
            numbers = [(v.targetPosition, v.contentCount) for v in (a.controls[VLVResponseControl.controlType] for a in (ours, theirs))]
            self.assertEqual(*numbers)
