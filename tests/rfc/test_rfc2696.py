"""RFC 2696: paged results."""

import wire
from ber import integer, octets, sequence
from conformance import Conformance
from controls import PAGED, page_of, paged
from wire import REPLACE, SUB

SUCCESS, PROTOCOL_ERROR, SIZE_LIMIT, UNAVAILABLE_CRITICAL, UNWILLING = 0, 2, 4, 12, 53


class Paged(Conformance):
    NEEDS = (PAGED,)

    def setUp(self):
        super().setUp()
        for number in range(10):
            self.person(f"p{number}")

    def page(self, count, cookie=b"", text="(cn=p*)", connection=None, **options):
        """One page: the names, and the answer that ends it."""
        *found, done = (connection or self.wire).exchange(wire.search(self.base, SUB, text, **options), [paged(count, cookie)])
        return [answer.dn for answer in found], done

    def pages(self, size, **options):
        found, cookie = [], b""
        while True:
            names, done = self.page(size, cookie, **options)
            self.assertEqual(done.code, SUCCESS, done)
            found.append(names)
            _, cookie = page_of(done)
            if not cookie:
                return found

    def test_every_entry_once(self):
        """RFC 2696 §3: all pages together are the whole result, each entry once, for pages of every size."""
        whole = {answer.dn for answer in self.wire.entries(self.base, SUB, "(cn=p*)")}
        for size in (1, 3, 5, 9, 10, 11, 1000, 2**31 - 1):
            pages = self.pages(size)
            self.assertEqual(sum(pages, []), sorted(set(sum(pages, [])), key=sum(pages, []).index))
            self.assertEqual(set(sum(pages, [])), whole, size)
            self.assertTrue(all(len(page) <= size for page in pages))
            self.assertTrue(all(len(page) == size for page in pages[:-1]), "no page before the last is short")

    def test_control_in_each_done(self):
        """RFC 2696 §3: the server returns the control in each searchResultDone; the cookie is empty on the last page only."""
        _, done = self.page(10)
        self.assertEqual(page_of(done)[1], b"")
        _, done = self.page(9)
        self.assertNotEqual(page_of(done)[1], b"")

    def test_estimate(self):
        """RFC 2696 §3: size is an estimate of the total number, or 0."""
        for size in (1, 4, 100):
            estimate, _ = page_of(self.page(size)[1])
            self.assertGreaterEqual(estimate, 0)
        dn = self.person("user", userPassword=["some words for a password"])
        *_, done = self.bound_as(dn, "some words for a password").exchange(wire.search(dn, wire.BASE), [paged(5)])
        self.assertLessEqual(page_of(done)[0], 1, "and says nothing of what one may not see")

    def test_empty_result(self):
        """RFC 2696 §3: a search that finds nothing has one page with an empty cookie."""
        names, done = self.page(5, text="(cn=nobody)")
        self.assertEqual((names, done.code, page_of(done)[1]), ([], SUCCESS, b""))

    def test_abandoned_by_size_zero(self):
        """RFC 2696 §3: a page size of 0 with the cookie ends the paged search: no entries, and the cookie is no good any more."""
        _, done = self.page(3)
        cookie = page_of(done)[1]
        names, done = self.page(0, cookie)
        self.assertEqual((names, done.code), ([], SUCCESS))
        self.assertNotEqual(self.page(3, cookie)[1].code, SUCCESS)

    def test_size_limit_is_for_the_whole(self):
        """RFC 2696 §3: a page size of at least sizeLimit leaves the limit to the search."""
        names, done = self.page(100, size=4)
        self.assertEqual((len(names), done.code), (4, SIZE_LIMIT))

    def test_page_size_may_change(self):
        """RFC 2696 §3: the page size may change from request to request."""
        names, done = self.page(2)
        more, done = self.page(5, page_of(done)[1])
        rest, done = self.page(1000, page_of(done)[1])
        self.assertEqual((len(names), len(more), len(rest), page_of(done)[1]), (2, 5, 3, b""))
        self.assertEqual(len({*names, *more, *rest}), 10)

    def test_cookie_of_another_search(self):
        """RFC 2696 §3: a cookie goes with the same search; with another filter or base it is refused."""
        cookie = page_of(self.page(3)[1])[1]
        names, done = self.page(3, cookie, text="(sn=*)")
        self.assertEqual(names, [])
        self.assertNotEqual(done.code, SUCCESS)

    def test_cookie_made_up(self):
        """RFC 2696 §3, §4: a cookie that the server never gave is refused, and the connection goes on."""
        for cookie in (b"x", b"\0" * 16, b"\xff" * 200):
            names, done = self.page(3, cookie)
            self.assertEqual(names, [])
            self.assertNotEqual(done.code, SUCCESS)
        self.assertEqual(len(self.pages(4)), 3)

    def test_cookie_on_another_connection(self):
        """RFC 2696 §3: a cookie is of one connection (or works there as it does here); it never shows more."""
        names, done = self.page(3)
        others, done = self.page(3, page_of(done)[1], connection=self.operator())
        self.assertFalse(set(names) & set(others))

    def test_two_at_once(self):
        """RFC 2696 §3: several paged searches may be under way on one connection."""
        first, one = self.page(4)
        second, two = self.page(6, text="(sn=p*)")
        more, _ = self.page(100, page_of(one)[1])
        others, _ = self.page(100, page_of(two)[1], text="(sn=p*)")
        self.assertEqual((len({*first, *more}), len({*second, *others})), (10, 10))

    def test_changes_between_pages(self):
        """RFC 2696 §3: entries may change between pages; those that stay are returned once."""
        names, done = self.page(5)
        for dn in names[:2]:
            self.ok(wire.delete(dn))
        rest = sorted(set(f"cn=p{number},{self.base}" for number in range(10)) - set(names))
        self.ok(wire.modify(rest[0], (REPLACE, "sn", ["changed"])))
        more, _ = self.page(100, page_of(done)[1])
        self.assertEqual(sorted(more), rest)

    def test_damaged(self):
        """RFC 2696 §2: size is 0 to maxInt, and the value a sequence of both: else protocolError."""
        for value in (b"", b"\x30\x00", sequence(integer(-1), octets("")), sequence(integer(2**31), octets("")), sequence(integer(5)), integer(5), sequence(integer(5), octets("")) + b"\x00"):
            self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB), [wire.control(PAGED, True, value)])

    def test_not_with_other_operations(self):
        """RFC 2696 §2, RFC 4511 §4.1.11: the control is of a search; with another operation it is not available."""
        self.refused(UNAVAILABLE_CRITICAL, wire.delete(f"cn=p0,{self.base}"), [paged(5)])

    def test_not_critical(self):
        """RFC 2696 §3: criticality may be either."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(cn=p*)"), [paged(3, critical=False)])
        self.assertEqual((len(found), len(page_of(done)[1]) > 0), (3, True))

    def test_by_python_ldap(self):
        """RFC 2696 §3: OpenLDAP's library reads all pages."""
        import ldap
        import ldap.controls.libldap

        c, cookie, found = self.library(), b"", []
        while True:
            request = ldap.controls.libldap.SimplePagedResultsControl(True, 4, cookie)
            _, data, _, controls = c.result3(c.search_ext(self.base, ldap.SCOPE_SUBTREE, "(cn=p*)", serverctrls=[request]))
            found += data
            cookie = controls[0].cookie
            if not cookie:
                break
        self.assertEqual(len(found), 10)

    def test_by_ldap3(self):
        """RFC 2696 §3: ldap3 reads all pages."""
        c = self.library("ldap3")
        found = list(c.extend.standard.paged_search(self.base, "(cn=p*)", paged_size=3, generator=True))
        self.assertEqual(len(found), 10)
