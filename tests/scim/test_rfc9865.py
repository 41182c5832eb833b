"""RFC 9865: pages by cursor. One test for each thing that a client can see of what must be so."""

import re

from provider import LIST, SEARCH, USER, Provider


class Cursors(Provider):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls("setUp")
        maker.setUp()
        if not maker.get("/ServiceProviderConfig").body.get("pagination", {}).get("cursor"):
            cls.stem = None
            return
        cls.stem = maker.name("cursor")
        cls.ids = sorted(maker.user(displayName=cls.stem, title=f"T{at:02}")["id"] for at in range(10))

    @property
    def text(self):
        return f'displayName eq "{self.stem}"'

    def page(self, cursor="", **query):
        query = {"filter": self.text, "count": 3} | query
        answer = self.get("/Users", cursor=cursor, **query)
        return answer, self.listed(answer)

    def walk(self, **query):
        """All pages, by nextCursor."""
        cursor, pages = "", []
        while True:
            answer, found = self.page(cursor, **query)
            pages.append((answer, found))
            cursor = answer.body.get("nextCursor")
            if cursor is None:
                return pages
            self.assertLess(len(pages), 50)

    def test_2_an_empty_cursor_is_the_first_page(self):
        """RFC 9865 §2: cursor without a value asks for the first page, answered with nextCursor."""
        answer, found = self.page()
        self.assertEqual((len(found), answer["totalResults"], answer["itemsPerPage"]), (3, 10, 3))
        self.assertTrue(answer["nextCursor"])

    def test_2_a_walk_meets_everybody_once(self):
        ids = [user["id"] for _, found in self.walk() for user in found]
        self.assertEqual(sorted(ids), self.ids)

    def test_2_the_last_page_has_no_next_cursor(self):
        """nextCursor must be omitted only where there are no more pages."""
        pages = self.walk()
        self.assertEqual([len(found) for _, found in pages], [3, 3, 3, 1])
        self.assertEqual(["nextCursor" in answer.body for answer, _ in pages], [True, True, True, False])

    def test_2_cursors_are_of_unreserved_characters(self):
        """RFC 9865 §2: cursor values are of RFC 3986's unreserved characters."""
        for answer, _ in self.walk():
            for name in ("nextCursor", "previousCursor"):
                self.assertRegex(answer.body.get(name, "x"), r"^[A-Za-z0-9._~-]+$")

    def test_2_a_previous_cursor_leads_back(self):
        """previousCursor is optional; where it is there it is that of the page before."""
        pages = self.walk()
        back = pages[1][0].body.get("previousCursor")
        if back is None:
            self.skipTest("previousCursor is optional, and is not given")
        self.assertEqual([user["id"] for user in self.page(back)[1]], [user["id"] for user in pages[0][1]])

    def test_2_an_order_holds_over_all_pages(self):
        for order in ("ascending", "descending"):
            titles = [user["title"] for _, found in self.walk(sortBy="title", sortOrder=order) for user in found]
            self.assertEqual(titles, sorted(titles, reverse=order == "descending"))
            self.assertEqual(len(titles), 10)

    def test_2_attributes_are_honoured_on_each_page(self):
        for _, found in self.walk(attributes="title"):
            for user in found:
                self.assertEqual(set(user) - {"schemas", "meta"}, {"id", "title"})

    def test_2_1_an_invalid_cursor(self):
        """RFC 9865 §2.1: 400 with invalidCursor."""
        for cursor in ("nonsense", "~", "a" * 300, "..."):
            self.refused(self.page_raw(cursor), 400, "invalidCursor")

    def page_raw(self, cursor, **query):
        return self.get("/Users", **({"filter": self.text, "count": 3, "cursor": cursor} | query))

    def test_2_1_a_cursor_of_another_query(self):
        """RFC 9865 §2: a cursor belongs to the query it was given for; with another it is invalid."""
        cursor = self.page()[0]["nextCursor"]
        self.refused(self.page_raw(cursor, filter="title pr"), 400, "invalidCursor")
        self.refused(self.get("/Groups", cursor=cursor, count=3), 400, "invalidCursor")

    def test_2_1_a_cursor_of_somebody_else(self):
        """Security considerations: a cursor is bound to who got it."""
        cursor = self.page()[0]["nextCursor"]
        answer = self.client("okta").ask("GET", "/Users", filter=self.text, count=3, cursor=cursor)
        self.refused(answer, 400, "invalidCursor")

    def test_2_1_an_altered_cursor(self):
        cursor = self.page()[0]["nextCursor"]
        for at in range(0, len(cursor), max(1, len(cursor) // 8)):
            other = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1:]
            answer = self.page_raw(other)
            self.assertEqual((answer.status, answer.body.get("scimType")), (400, "invalidCursor"), answer)

    def test_2_1_an_invalid_count(self):
        """RFC 9865 §2.1: 400 with invalidCount where the count of a page by cursor cannot be had."""
        self.refused(self.page_raw("", count="many"), 400)

    def test_2_3_a_count_of_zero_tells_the_total(self):
        answer = self.page_raw("", count=0)
        self.assertEqual((answer.status, answer["totalResults"], answer.body.get("Resources", [])), (200, 10, []))

    def test_2_everybody_is_met_while_others_come_and_go(self):
        cursor, seen, extra = "", [], []
        while cursor is not None:
            answer, found = self.page(cursor)
            seen += [user["id"] for user in found]
            extra.append(self.user(displayName=self.stem, title="T99")["id"])
            if len(extra) > 1:
                self.delete(f"/Users/{extra.pop(0)}")
            cursor = answer.body.get("nextCursor")
            self.assertLess(len(seen), 60)
        for ident in extra:
            self.delete(f"/Users/{ident}")
        self.assertEqual(len(seen), len(set(seen)), "nobody twice")
        self.assertLessEqual(set(self.ids), set(seen), "nobody lost")

    def test_3_a_search_by_post(self):
        """RFC 9865 §3: cursor in a SearchRequest."""
        body = {"schemas": [SEARCH], "filter": self.text, "count": 4, "cursor": ""}
        first = self.post("/Users/.search", body)
        second = self.post("/Users/.search", body | {"cursor": first["nextCursor"]})
        ids = [user["id"] for answer in (first, second) for user in self.listed(answer)]
        self.assertEqual((len(ids), len(set(ids))), (8, 8))

    def test_4_the_configuration(self):
        """RFC 9865 §4: pagination with cursor, index, and the bounds."""
        told = self.get("/ServiceProviderConfig")["pagination"]
        self.assertEqual((told["cursor"], told["index"]), (True, True))
        self.assertEqual(told.get("defaultPaginationMethod", "index"), "index")
        for name in ("defaultPageSize", "maxPageSize", "cursorTimeout"):
            if name in told:
                self.assertGreater(told[name], 0, name)
        if "maxPageSize" in told:
            answer = self.get("/Users", count=told["maxPageSize"] + 1, cursor="")
            self.assertLessEqual(len(self.listed(answer)), told["maxPageSize"])

    def test_4_without_a_cursor_pages_are_by_index(self):
        answer = self.get("/Users", filter=self.text, count=3)
        self.assertEqual((answer["startIndex"], "nextCursor" in answer.body), (1, False))
