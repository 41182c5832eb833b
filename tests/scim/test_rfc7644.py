"""RFC 7644: the protocol. One test for each thing that a client can see of what must be so."""

import uuid

from provider import BULK, CORE, ENTERPRISE, ERROR, GROUP, LIST, MEDIA_TYPE, NOBODY, PATCH, SEARCH, USER, Client, Provider

RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


class Requests(Provider):
    """§2, §3.1, §3.8, §3.13: who asks, and in which form."""

    def test_2_a_request_without_a_token_is_told_which_scheme_to_use(self):
        """RFC 7644 §2, RFC 9110 §15.5.2: 401 has a WWW-Authenticate header."""
        answer = self.ask("GET", "/Users", headers={"Authorization": None})
        self.refused(answer, 401)
        self.assertTrue(answer.headers["www-authenticate"].startswith("Bearer"))

    def test_2_a_wrong_token_is_refused_on_every_endpoint(self):
        """RFC 7644 §2: only who is authenticated is answered."""
        for method, path in (("GET", "/Users"), ("POST", "/Users"), ("GET", f"/Users/{NOBODY}"), ("PUT", f"/Users/{NOBODY}"), ("PATCH", f"/Users/{NOBODY}"),
                             ("DELETE", f"/Users/{NOBODY}"), ("GET", "/Groups"), ("POST", "/Users/.search"), ("POST", "/.search"), ("GET", "/")):
            body = {} if method in ("POST", "PUT", "PATCH") else None
            self.refused(self.ask(method, path, body, {"Authorization": "Bearer hc_wrong"}), 401)

    def test_3_1_answers_are_scim_json(self):
        """RFC 7644 §3.1, §8.1: the media type of every answer with a body, errors among them."""
        for answer in (self.get("/Users", count=1), self.get(f"/Users/{NOBODY}"), self.get("/Schemas"), self.post("/Users", {"userName": self.name()})):
            self.assertEqual(answer.headers["content-type"].split(";")[0].strip(), MEDIA_TYPE, answer)

    def test_3_1_json_is_accepted_as_the_media_type_of_a_body(self):
        """RFC 7644 §3.1, §8.1: application/scim+json must be accepted, application/json should be; parameters do not matter."""
        for media_type in ("application/scim+json", "application/json", "application/scim+json; charset=utf-8", "Application/SCIM+JSON"):
            self.made(self.ask("POST", "/Users", {"schemas": [USER], "userName": self.name()}, {"Content-Type": media_type}))

    def test_3_1_other_media_types_are_refused(self):
        """RFC 9110 §15.5.16: 415 for a body in a form that is not known."""
        for media_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json-patch+json",
                           "application/scim+json; charset=iso-8859-1"):
            self.refused(self.ask("POST", "/Users", {"schemas": [USER], "userName": self.name()}, {"Content-Type": media_type}), 415)

    def test_3_1_accept_is_honoured(self):
        """RFC 7644 §3.1: clients may name the form of the answer; RFC 9110 §15.5.7: 406 where there is none."""
        for media_type in ("application/scim+json", "application/json", "*/*", "application/*", "text/html, application/json;q=0.5", "application/scim+json; charset=utf-8", None):
            self.assertEqual(self.ask("GET", "/Users", headers={"Accept": media_type}, count=1).status, 200, media_type)
        self.refused(self.ask("GET", "/Users", headers={"Accept": "text/html"}, count=1), 406)

    def test_3_1_text_is_utf_8(self):
        """RFC 7644 §3.1 (RFC 8259 §8.1): JSON is UTF-8."""
        name = f"\u0105\u4e2d\U0001f600{self.name()}"
        self.assertEqual(self.user(displayName=name)["displayName"], name)
        self.refused(self.ask("POST", "/Users", b'{"userName": "\xff\xfe"}'), 400, "invalidSyntax")

    def test_3_12_a_body_that_is_no_object_is_refused(self):
        """RFC 7644 §3.12, table 9: invalidSyntax where the body does not conform to the request's schema."""
        for body in (b"", b"{", b"[]", b'"x"', b"null", b'{"userName": "a"} x', b'{"userName": "a", "userName": "b"}'):
            self.refused(self.ask("POST", "/Users", body), 400)

    def test_3_2_unknown_endpoints_are_not_there(self):
        """RFC 7644 §3.2, §3.12: 404."""
        for path in ("/Nothing", "/Users/x/y", "/user"):
            self.refused(self.get(path), 404)

    def test_3_2_methods_that_an_endpoint_lacks_are_named(self):
        """RFC 9110 §15.5.6: 405 has an Allow header."""
        for method, path, allowed in (("DELETE", "/Users", "GET"), ("PUT", "/Groups", "POST"), ("POST", "/ServiceProviderConfig", "GET"), ("DELETE", "/Schemas", "GET"), ("PATCH", "/ResourceTypes", "GET")):
            answer = self.ask(method, path, {} if method != "DELETE" else None)
            self.refused(answer, 405)
            self.assertIn(allowed, answer.headers["allow"])

    def test_3_13_the_version_is_part_of_the_base(self):
        """RFC 7644 §3.13: v2 is part of the URL; other versions are not there."""
        self.assertEqual(self.get("/scim/v2/Users", count=1).status, 200)
        self.refused(self.get("/scim/v1/Users"), 404)


class Create(Provider):
    """§3.3: POST."""

    def test_3_3_the_answer_is_201_with_the_resource_and_its_location(self):
        """RFC 7644 §3.3: 201, a Location header that is meta.location, and the representation."""
        answer = self.post("/Users", {"schemas": [USER], "userName": self.name()})
        made = self.made(answer)
        self.assertEqual(answer.headers["location"], made["meta"]["location"])
        self.assertTrue(made["meta"]["location"].endswith(f"/Users/{made['id']}"))

    def test_3_3_the_location_is_that_of_the_resource(self):
        """RFC 7644 §3.3: the URI of the Location header is that of the resource."""
        made = self.user()
        location = made["meta"]["location"]
        self.assertEqual(self.get(location[location.index("/scim"):])["id"], made["id"])

    def test_3_3_the_server_sets_the_resource_type(self):
        """RFC 7644 §3.3: meta.resourceType shall be set by the service provider to the type of the endpoint."""
        made = self.user(meta={"resourceType": "Group", "location": "https://elsewhere.example/Users/1"})
        self.assertEqual(made["meta"]["resourceType"], "User")
        self.assertIn(made["id"], made["meta"]["location"])

    def test_3_3_read_only_attributes_are_ignored(self):
        """RFC 7644 §3.3: attributes whose mutability is readOnly shall be ignored."""
        made = self.user(id="mine", groups=[{"value": "x"}], meta={"created": "2001-01-01T00:00:00Z", "version": "1"})
        self.assertNotEqual(made["id"], "mine")
        self.assertNotIn("groups", made)
        self.assertNotEqual(made["meta"]["created"][:4], "2001")

    def test_3_3_a_name_in_use_is_a_conflict(self):
        """RFC 7644 §3.3: 409 with scimType uniqueness."""
        made = self.user()
        self.refused(self.post("/Users", {"schemas": [USER], "userName": made["userName"]}), 409, "uniqueness")

    def test_3_3_a_required_attribute_that_is_missing_is_an_error(self):
        """RFC 7644 §3.12, table 9: invalidValue where a required value is missing."""
        for path, body in (("/Users", {"schemas": [USER]}), ("/Groups", {"schemas": [GROUP]}), ("/Users", {"schemas": [USER], "userName": ""}), ("/Users", {"schemas": [USER], "userName": None})):
            self.refused(self.post(path, body), 400, "invalidValue")

    def test_3_3_a_value_of_another_type_is_an_error(self):
        """RFC 7644 §3.12, table 9: invalidValue where the value is not compatible with the attribute's type."""
        for more in ({"displayName": 7}, {"active": "perhaps"}, {"active": 1}, {"emails": [{"value": {"a": 1}}]}, {"emails": 7}, {"title": {"value": "x"}}, {"title": ["x"]}):
            self.refused(self.post("/Users", {"schemas": [USER], "userName": self.name()} | more), 400)

    def test_3_3_two_schemas(self):
        """RFC 7643 §3: attributes of an extension are in a container named by its URI, and schemas names both."""
        made = self.user(enterprise={"department": "D"})
        self.assertEqual((sorted(made["schemas"]), made[ENTERPRISE]), (sorted([USER, ENTERPRISE]), {"department": "D"}))

    def test_3_9_attributes_of_the_answer(self):
        """RFC 7644 §3.9: a request that changes a resource can name the attributes of its answer."""
        body = {"schemas": [USER], "userName": self.name(), "title": "T", "nickName": "N"}
        answer = self.post("/Users", body, attributes="title")
        self.assertEqual((answer.status, answer["title"], "nickName" in answer.body, "userName" in answer.body), (201, "T", False, False))
        self.assertTrue(answer["id"])
        path = f"/Users/{answer['id']}"
        put = self.put(path, body, excludedAttributes="title")
        self.assertEqual((put.status, "title" in put.body, put["nickName"], put["id"]), (200, False, "N", answer["id"]))
        patch = self.patch(path, {"op": "replace", "path": "title", "value": "U"}, attributes="title")
        self.assertEqual((patch.status, patch["title"], "nickName" in patch.body), (200, "U", False), "200 where attributes are asked for")


class Retrieve(Provider):
    """§3.4.1, §3.4.2: GET, lists."""

    def test_3_4_1_a_known_resource(self):
        """RFC 7644 §3.4.1: 200 with the resource."""
        made = self.user(title="T")
        answer = self.get(f"/Users/{made['id']}")
        self.assertEqual((answer.status, answer.body), (200, made))
        self.assertEqual(answer.headers["location"], made["meta"]["location"])

    def test_3_4_1_an_unknown_resource(self):
        """RFC 7644 §3.4.1: 404."""
        for path in (f"/Users/{NOBODY}", "/Users/x", f"/Groups/{NOBODY}", "/Users/%00", "/Users/..%2f"):
            self.refused(self.get(path), 404)

    def test_3_4_1_a_resource_of_another_type(self):
        """RFC 7644 §3.4.1: a user is no group."""
        self.refused(self.get(f"/Groups/{self.user()['id']}"), 404)
        self.refused(self.get(f"/Users/{self.group()['id']}"), 404)

    def test_3_4_2_a_list_response(self):
        """RFC 7644 §3.4.2: schemas, totalResults and, where there is something, Resources."""
        made = self.user()
        answer = self.get("/Users", filter=f'id eq "{made["id"]}"')
        self.assertEqual((answer["schemas"], answer["totalResults"], answer["Resources"]), ([LIST], 1, [made]))

    def test_3_4_2_no_match_is_a_success(self):
        """RFC 7644 §3.4.2: a query without matches is answered with 200 and totalResults 0."""
        answer = self.get("/Users", filter=f'userName eq "{uuid.uuid4()}"')
        self.assertEqual((answer.status, answer["totalResults"], answer.body.get("Resources", [])), (200, 0, []))

    def test_3_4_2_1_the_base_is_queried_over_all_types(self):
        """RFC 7644 §3.4.2.1: a query at the root is over all resources, and meta.resourceType tells them apart."""
        stem = self.name("root")
        user, group = self.user(displayName=stem), self.group(displayName=stem)
        for base in ("/", ""):
            self.assertEqual(self.found(f'displayName eq "{stem}"', base), sorted([user["id"], group["id"]]))
        self.assertEqual(self.found(f'displayName eq "{stem}" and meta.resourceType eq "Group"', "/"), [group["id"]])
        self.assertEqual(self.found(f'displayName eq "{stem}" and (meta.resourceType eq "User")', "/"), [user["id"]])

    def test_3_4_2_1_an_attribute_that_a_type_lacks_has_no_value(self):
        """RFC 7644 §3.4.2.1: over more than one type an attribute that is not recognised is as one without a value."""
        user = self.user()
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"', "/"), [user["id"]])
        self.assertEqual(self.found(f'nothingOfThatName eq "x" or userName eq "{user["userName"]}"', "/"), [user["id"]])

    def test_3_4_3_a_search_by_post(self):
        """RFC 7644 §3.4.3: .search of a type takes what a query does and is answered in the same way."""
        user = self.user(title="T")
        body = {"schemas": [SEARCH], "attributes": ["userName"], "filter": f'id eq "{user["id"]}"', "startIndex": 1, "count": 10, "sortBy": "userName", "sortOrder": "descending"}
        answer = self.post("/Users/.search", body)
        found, = self.listed(answer)
        self.assertEqual((found["id"], found["userName"], "title" in found), (user["id"], user["userName"], False))
        without, = self.listed(self.post("/Users/.search", {"schemas": [SEARCH], "excludedAttributes": ["title"], "filter": body["filter"]}))
        self.assertEqual((without["userName"], "title" in without), (user["userName"], False))

    def test_3_4_3_a_search_at_the_base(self):
        """RFC 7644 §3.4.3: .search at the root is over all types."""
        stem = self.name("search")
        user, group = self.user(displayName=stem), self.group(displayName=stem)
        answer = self.post("/.search", {"schemas": [SEARCH], "filter": f'displayName eq "{stem}"'})
        self.assertEqual(sorted(found["id"] for found in self.listed(answer)), sorted([user["id"], group["id"]]))

    def test_3_4_3_another_schema_is_no_search(self):
        """RFC 7644 §3.12, table 9: invalidSyntax."""
        self.refused(self.post("/Users/.search", {"schemas": [PATCH]}), 400, "invalidSyntax")


class Filters(Provider):
    """§3.4.2.2: each operator, on users of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls("setUp")
        maker.setUp()
        cls.stem = maker.name("filters")
        cls.one = maker.user(
            displayName=f"{cls.stem} Alpha", title="Boss", active=True, externalId=f"{cls.stem}-X", name={"familyName": "Jensen", "givenName": "Bo"},
            emails=[{"value": f"{cls.stem}@Example.COM", "type": "work", "primary": True}, {"value": f"{cls.stem}@home.example", "type": "home"}],
            enterprise={"department": "Tours", "employeeNumber": "701984"},
        )
        cls.two = maker.user(
            displayName=f"{cls.stem} Beta", active=False, externalId=f"{cls.stem}-Y", userType="Intern", name={"familyName": "O'Malley"},
            emails=[{"value": f"{cls.stem}2@example.com", "type": "home", "primary": True}, {"value": f"{cls.stem}2@home.example", "type": "work"}],
        )

    def matches(self, text, *expected):
        """Who of the two matches."""
        found = self.found(f'displayName sw "{self.stem}" and ({text})')
        self.assertEqual(found, sorted(user["id"] for user in expected), text)

    def test_3_4_2_2_eq(self):
        """Identical values match; names and values of caseExact false without regard to case."""
        self.matches('title eq "Boss"', self.one)
        self.matches('title eq "bOSS"', self.one)
        self.matches('title eq "Bos"')
        self.matches("active eq true", self.one)
        self.matches("active eq false", self.two)

    def test_3_4_2_2_ne(self):
        self.matches('name.familyName ne "Jensen"', self.two)
        self.matches('userType ne "Intern"', self.one)

    def test_3_4_2_2_co_sw_ew(self):
        self.matches('displayName co " alph"', self.one)
        self.matches(f'displayName sw "{self.stem.upper()} b"', self.two)
        self.matches('displayName ew "ETA"', self.two)
        self.matches('displayName ew "Alph"')
        self.matches("name.familyName co \"O'Malley\"", self.two)

    def test_3_4_2_2_pr(self):
        self.matches("title pr", self.one)
        self.matches("userType pr", self.two)
        self.matches("name pr", self.one, self.two)
        self.matches("emails pr", self.one, self.two)
        self.matches("nickName pr")
        self.matches("addresses pr")

    def test_3_4_2_2_gt_ge_lt_le(self):
        self.matches('externalId gt "%s-X"' % self.stem, self.two)
        self.matches('externalId ge "%s-X"' % self.stem, self.one, self.two)
        self.matches('externalId lt "%s-Y"' % self.stem, self.one)
        self.matches('externalId le "%s-Y"' % self.stem, self.one, self.two)

    def test_3_4_2_2_times_are_compared_as_instants(self):
        created = self.one["meta"]["created"]
        self.matches(f'meta.created ge "{created}"', self.one, self.two)
        self.matches(f'meta.created lt "{created}"')
        self.matches('meta.lastModified gt "2011-05-13T04:42:34Z"', self.one, self.two)
        self.matches('meta.lastModified lt "2011-05-13T04:42:34+05:00"')
        self.matches(f'meta.created eq "{created}"', *({user["id"]: user for user in (self.one, self.two) if user["meta"]["created"] == created}.values()))

    def test_3_4_2_2_and_or_not(self):
        self.matches('title eq "Boss" and active eq true', self.one)
        self.matches('title eq "Boss" or userType eq "Intern"', self.one, self.two)
        self.matches('not (title eq "Boss")', self.two)
        self.matches("not (title pr)", self.two)

    def test_3_4_2_2_and_binds_stronger_than_or(self):
        """The order of precedence: grouping, not, and, or."""
        self.matches('title eq "Boss" or userType eq "Intern" and active eq true', self.one)
        self.matches('(title eq "Boss" or userType eq "Intern") and active eq false', self.two)
        self.matches('not (title eq "Boss") and active eq false', self.two)

    def test_3_4_2_2_names_and_operators_without_regard_to_case(self):
        """Attribute names and operators are case insensitive."""
        self.matches('TITLE EQ "Boss" AND Active Eq True', self.one)
        self.matches('NOT (title PR) OR Name.FamilyName Co "jens"', self.one, self.two)
        self.matches(f'{USER.upper()}:TITLE eq "Boss"', self.one)

    def test_3_4_2_2_values_of_case_exact_attributes(self):
        """RFC 7643 §2.2: caseExact true makes the case of a value matter."""
        self.matches(f'externalId eq "{self.stem}-X"', self.one)
        self.matches(f'externalId eq "{self.stem}-x"')
        self.matches(f'id eq "{self.one["id"]}"', self.one)

    def test_3_4_2_2_a_complex_filter_is_of_one_element(self):
        """A filter in brackets is matched by one element, and conditions with dots by any."""
        self.matches(f'emails[type eq "work" and value co "@example.com"]', self.one)
        self.matches(f'emails[type eq "home" and value co "@example.com"]', self.two)
        self.matches(f'emails.type eq "work" and emails.value co "@example.com"', self.one, self.two)
        self.matches('emails[type eq "work" and primary eq true]', self.one)
        self.matches('emails[not (type eq "work") and primary eq true]', self.two)
        self.matches('emails[type eq "other"]')

    def test_3_4_2_2_a_multi_valued_attribute_is_its_values(self):
        """Where the attribute is multi-valued and complex its name means the values."""
        self.matches(f'emails eq "{self.stem}@example.com"', self.one)
        self.matches('emails co "home.example"', self.one, self.two)

    def test_3_10_names_with_their_schema(self):
        """RFC 7644 §3.10: URN, colon, attribute, and a sub-attribute after a dot."""
        self.matches(f'{ENTERPRISE}:department eq "tours"', self.one)
        self.matches(f'{USER}:name.familyName eq "Jensen"', self.one)
        self.matches(f"{ENTERPRISE}:employeeNumber pr", self.one)

    def test_3_4_2_2_schemas_can_be_asked_for(self):
        """RFC 7643 §3: schemas is an attribute as others are."""
        self.matches(f'schemas eq "{ENTERPRISE}"', self.one)
        self.matches(f'schemas eq "{USER}"', self.one, self.two)

    def test_3_4_2_2_strings_are_json(self):
        """compValue is a JSON value (RFC 7159)."""
        name = self.name("quoted")
        quoted = self.user(displayName=f'{name} "q" \\ \u00e9')
        self.assertEqual(self.found(f'displayName eq "{name} \\"q\\" \\\\ \\u00e9"'), [quoted["id"]])

    def test_3_4_2_2_what_is_no_filter_is_refused(self):
        """Table 9: invalidFilter."""
        for text in (
            "", "userName", "userName eq", 'userName xx "a"', 'eq "a"', '(userName eq "a"', 'userName eq "a")', 'userName eq "a" and', 'userName eq "a',
            "userName eq a", 'userName eq "a" "b"', 'not userName eq "a"', 'emails[type eq "work"', "emails[]", 'userName eq "a" && title pr', 'a..b eq "x"', 'name.nothing eq "x"',
        ):
            self.refused(self.get("/Users", filter=text), 400, "invalidFilter")

    def test_3_4_2_2_no_order_of_booleans_and_binaries(self):
        """gt, ge, lt and le on Boolean and Binary attributes shall fail with invalidFilter."""
        for operator in ("gt", "ge", "lt", "le"):
            self.refused(self.get("/Users", filter=f"active {operator} true"), 400, "invalidFilter")
            self.refused(self.get("/Users", filter=f'x509Certificates.value {operator} "QUJD"'), 400, "invalidFilter")

    def test_7_5_2_passwords_can_not_be_asked_for(self):
        """RFC 7643 §7: what is never returned is no way to guess it either."""
        for text in ('password eq "x"', "password pr", 'password sw "a"', f'{USER}:password pr'):
            self.refused(self.get("/Users", filter=text), 400, "invalidFilter")
        self.refused(self.get("/Users", sortBy="password"), 400)


class Order(Provider):
    """§3.4.2.3 and §3.4.2.4: sorting and pages."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls("setUp")
        maker.setUp()
        cls.stem = maker.name("order")
        for title, family in (("b", "Z"), ("A", "y"), (None, "X"), ("c", None)):
            more = ({"title": title} if title else {}) | ({"name": {"familyName": family}} if family else {})
            maker.user(displayName=cls.stem, **more)

    def sorted_by(self, name, **query):
        found = self.listed(self.get("/Users", filter=f'displayName eq "{self.stem}"', sortBy=name, **query))
        return [user.get("title") for user in found]

    def test_3_4_2_3_ascending_is_the_default_and_absent_values_are_last(self):
        self.assertEqual(self.sorted_by("title"), ["A", "b", "c", None])
        self.assertEqual(self.sorted_by("title", sortOrder="ascending"), ["A", "b", "c", None])

    def test_3_4_2_3_descending_and_absent_values_are_first(self):
        self.assertEqual(self.sorted_by("title", sortOrder="descending"), [None, "c", "b", "A"])

    def test_3_4_2_3_by_a_sub_attribute(self):
        self.assertEqual(self.sorted_by("name.familyName"), [None, "A", "b", "c"])
        self.assertEqual(self.sorted_by(f"{USER}:Name.FamilyName", sortOrder="descending"), ["c", "b", "A", None])

    def test_3_4_2_3_a_multi_valued_attribute_by_its_primary_value(self):
        stem = self.name("primary")
        one = self.user(displayName=stem, emails=[{"value": f"a@{stem}.example"}, {"value": f"z@{stem}.example", "primary": True}])
        two = self.user(displayName=stem, emails=[{"value": f"m@{stem}.example"}, {"value": f"b@{stem}.example"}])
        found = self.listed(self.get("/Users", filter=f'displayName eq "{stem}"', sortBy="emails.value"))
        self.assertEqual([user["id"] for user in found], [two["id"], one["id"]])

    def test_3_4_2_4_pages(self):
        """startIndex is 1-based; no more than count resources; the whole number of results is told."""
        total, seen = 4, []
        for start, expected in ((1, 3), (4, 1), (5, 0)):
            answer = self.get("/Users", filter=f'displayName eq "{self.stem}"', startIndex=start, count=3)
            page = self.listed(answer)
            self.assertEqual((len(page), answer["totalResults"]), (expected, total))
            if page:
                self.assertEqual((answer["startIndex"], answer["itemsPerPage"]), (start, expected))
            seen += [user["id"] for user in page]
        self.assertEqual((len(seen), len(set(seen))), (total, total))

    def test_3_4_2_4_a_start_below_one_is_one(self):
        """Table 6: a value less than 1 shall be interpreted as 1."""
        first = self.get("/Users", filter=f'displayName eq "{self.stem}"', startIndex=1, count=2)
        for start in (0, -1, -(2**40)):
            answer = self.get("/Users", filter=f'displayName eq "{self.stem}"', startIndex=start, count=2)
            self.assertEqual((answer["Resources"], answer["startIndex"]), (first["Resources"], 1))

    def test_3_4_2_4_a_negative_count_is_zero(self):
        """Table 6: a negative value shall be interpreted as 0, and 0 asks for totalResults alone."""
        for count in (0, -1, -(2**40)):
            answer = self.get("/Users", filter=f'displayName eq "{self.stem}"', count=count)
            self.assertEqual((answer["totalResults"], answer.body.get("Resources", [])), (4, []))

    def test_3_4_2_4_a_page_that_is_no_number_is_refused(self):
        for name in ("startIndex", "count"):
            self.refused(self.get("/Users", **{name: "many"}), 400, "invalidValue")


class Projections(Provider):
    """§3.4.2.5: attributes and excludedAttributes."""

    def setUp(self):
        super().setUp()
        self.made = super().made
        self.whole = self.user(
            title="T", nickName="N", name={"givenName": "G", "familyName": "F"}, enterprise={"department": "D", "costCenter": "C"},
            emails=[{"value": f"{self.name('p')}@example.com", "type": "work", "primary": True}],
        )

    def shown(self, **query):
        return {name: value for name, value in self.read("Users", self.whole["id"], **query).items() if name not in ("schemas", "meta")}

    def test_3_4_2_5_attributes_names_what_is_returned(self):
        """The attributes asked for, and those that are always returned."""
        self.assertEqual(self.shown(attributes="title,nickName"), {"id": self.whole["id"], "title": "T", "nickName": "N"})
        self.assertEqual(self.shown(attributes="TITLE, nickname"), {"id": self.whole["id"], "title": "T", "nickName": "N"})

    def test_3_4_2_5_attributes_names_sub_attributes(self):
        self.assertEqual(self.shown(attributes="name.givenName"), {"id": self.whole["id"], "name": {"givenName": "G"}})
        self.assertEqual(self.shown(attributes="emails.value"), {"id": self.whole["id"], "emails": [{"value": self.whole["emails"][0]["value"]}]})

    def test_3_4_2_5_attributes_names_schemas(self):
        self.assertEqual(self.shown(attributes=ENTERPRISE), {"id": self.whole["id"], ENTERPRISE: self.whole[ENTERPRISE]})
        self.assertEqual(self.shown(attributes=f"{ENTERPRISE}:department"), {"id": self.whole["id"], ENTERPRISE: {"department": "D"}})
        self.assertEqual(self.shown(attributes=f"{USER}:name.familyName"), {"id": self.whole["id"], "name": {"familyName": "F"}})

    def test_3_4_2_5_excluded_attributes(self):
        """What is always returned stays whatever is excluded."""
        shown = self.shown(excludedAttributes=f"title,name.familyName,{ENTERPRISE}:department,id")
        self.assertNotIn("title", shown)
        self.assertEqual((shown["id"], shown["name"], shown[ENTERPRISE], shown["nickName"]), (self.whole["id"], {"givenName": "G"}, {"costCenter": "C"}, "N"))
        self.assertNotIn(ENTERPRISE, self.shown(excludedAttributes=ENTERPRISE))

    def test_3_4_2_5_in_a_list(self):
        found, = self.listed(self.get("/Users", filter=f'id eq "{self.whole["id"]}"', attributes="title"))
        self.assertEqual({name for name in found} - {"schemas", "meta"}, {"id", "title"})

    def test_3_4_2_5_a_password_is_never_returned(self):
        """RFC 7643 §7: returned never. Who asks for it by name is told so (HE5)."""
        user = self.user(password="Correct-Horse-7-Battery")
        self.assertNotIn("password", self.read("Users", user["id"]))
        self.refused(self.get(f"/Users/{user['id']}", attributes="password,userName"), 400)


class Replace(Provider):
    """§3.5.1: PUT."""

    def test_3_5_1_the_answer_is_200_with_the_resource(self):
        user = self.user(title="T")
        answer = self.put(f"/Users/{user['id']}", {"schemas": [USER], "userName": user["userName"], "title": "U"})
        self.assertEqual((answer.status, answer["title"], answer["id"], answer["meta"]["created"]), (200, "U", user["id"], user["meta"]["created"]))

    def test_3_5_1_what_is_left_out_is_cleared(self):
        """A readWrite attribute that is left out may be cleared; here it is."""
        user = self.user(title="T", emails=[{"value": f"{self.name('m')}@example.com"}], enterprise={"department": "D"})
        self.put(f"/Users/{user['id']}", {"schemas": [USER], "userName": user["userName"]})
        after = self.read("Users", user["id"])
        self.assertFalse({"title", "emails", ENTERPRISE} & set(after), after)
        self.assertEqual(after["schemas"], [USER])

    def test_3_5_1_read_only_attributes_are_ignored(self):
        user = self.user()
        answer = self.put(f"/Users/{user['id']}", user | {"id": NOBODY, "groups": [{"value": NOBODY}], "meta": {"version": "x"}})
        self.assertEqual((answer.status, answer["id"]), (200, user["id"]))
        self.assertNotIn("groups", answer.body)

    def test_3_5_1_required_attributes_must_be_there(self):
        user = self.user()
        self.refused(self.put(f"/Users/{user['id']}", {"schemas": [USER], "title": "T"}), 400, "invalidValue")

    def test_3_5_1_nothing_is_created(self):
        """PUT must not be used to create new resources."""
        self.refused(self.put(f"/Users/{NOBODY}", {"schemas": [USER], "userName": self.name()}), 404)
        self.refused(self.get(f"/Users/{NOBODY}"), 404)

    def test_3_5_1_a_name_in_use_is_a_conflict(self):
        one, two = self.user(), self.user()
        self.refused(self.put(f"/Users/{two['id']}", {"schemas": [USER], "userName": one["userName"]}), 409, "uniqueness")

    def test_3_5_1_the_members_of_a_group_are_replaced(self):
        one, two = self.user(), self.user()
        group = self.group(one)
        answer = self.put(f"/Groups/{group['id']}", {"schemas": [GROUP], "displayName": group["displayName"], "members": [{"value": two["id"]}]})
        self.assertEqual((answer.status, self.members(group)), (200, [two["id"]]))


class Patch(Provider):
    """§3.5.2: PATCH."""

    def setUp(self):
        super().setUp()
        self.mail = self.name("patch")
        self.before = self.user(
            displayName="D", name={"givenName": "G", "familyName": "F"},
            emails=[{"value": f"{self.mail}@work.example", "type": "work", "primary": True}, {"value": f"{self.mail}@home.example", "type": "home"}],
        )
        self.path = f"/Users/{self.before['id']}"

    def after(self, *operations):
        """The resource once these are done."""
        self.done(self.patch(self.path, *operations))
        return self.read("Users", self.before["id"])

    def fails(self, kind, *operations):
        """400 of this kind, and nothing is changed."""
        self.refused(self.patch(self.path, *operations), 400, kind)
        self.assertEqual(self.read("Users", self.before["id"]), self.before)

    def test_3_5_2_the_whole_request_is_atomic(self):
        """Where one operation fails the resource is as before."""
        self.fails("invalidPath", {"op": "replace", "path": "title", "value": "T"}, {"op": "replace", "path": "nothing", "value": 1})

    def test_3_5_2_operations_are_in_order(self):
        after = self.after({"op": "add", "path": "title", "value": "A"}, {"op": "replace", "path": "title", "value": "B"}, {"op": "remove", "path": "nickName"}, {"op": "add", "path": "nickName", "value": "N"})
        self.assertEqual((after["title"], after["nickName"]), ("B", "N"))

    def test_3_5_2_operations_are_needed(self):
        for body in ({"schemas": [PATCH]}, {"schemas": [PATCH], "Operations": []}, {"schemas": [PATCH], "Operations": {"op": "add"}}, {"schemas": [PATCH], "Operations": ["x"]}, {"schemas": [PATCH], "Operations": [{"path": "title", "value": "x"}]}):
            self.refused(self.ask("PATCH", self.path, body), 400, "invalidSyntax")

    def test_3_5_2_another_schema_is_no_patch(self):
        self.refused(self.ask("PATCH", self.path, {"schemas": [SEARCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}), 400, "invalidSyntax")

    def test_3_5_2_an_unknown_operation(self):
        self.fails("invalidSyntax", {"op": "move", "path": "title", "value": "x"})

    def test_3_5_2_the_operation_in_any_case(self):
        self.assertEqual(self.after({"op": "ADD", "path": "title", "value": "A"})["title"], "A")

    def test_3_5_2_an_unknown_resource(self):
        self.refused(self.patch(f"/Users/{NOBODY}", {"op": "add", "path": "title", "value": "x"}), 404)

    def test_3_5_2_an_invalid_path(self):
        """Table 9: invalidPath."""
        for path in ("a..b", "emails[type eq \"work\"", "emails]", "emails[type eq \"work\"].value.more", ".title", "name.nothing", f"{ENTERPRISE}:nothing", "title title", "emails[type eq \"work\"]value"):
            self.fails("invalidPath", {"op": "add", "path": path, "value": "x"})

    def test_3_5_2_read_only_attributes(self):
        """A PATCH of a readOnly attribute fails with mutability."""
        for path, value in (("id", "x"), ("groups", [{"value": NOBODY}]), ("meta.created", "2001-01-01T00:00:00Z"), ("meta", {"version": "x"})):
            self.fails("mutability", {"op": "replace", "path": path, "value": value})

    def test_3_5_2_the_answer(self):
        """200 with the resource, or 204; a version with both."""
        answer = self.patch(self.path, {"op": "replace", "path": "title", "value": "x"})
        self.done(answer)
        self.assertEqual(answer.headers["etag"], self.read("Users", self.before["id"])["meta"]["version"])

    def test_3_5_2_1_add_without_a_path(self):
        """The value holds attributes to be added to the resource."""
        after = self.after({"op": "add", "value": {"nickName": "N", "emails": [{"value": f"{self.mail}@third.example"}], ENTERPRISE: {"department": "D"}}})
        self.assertEqual((after["nickName"], len(after["emails"]), after[ENTERPRISE]["department"]), ("N", 3, "D"))
        self.assertIn(ENTERPRISE, after["schemas"])

    def test_3_5_2_1_add_needs_a_value(self):
        self.refused(self.patch(self.path, {"op": "add", "path": "title"}), 400)

    def test_3_5_2_1_add_to_a_simple_attribute_replaces(self):
        self.assertEqual(self.after({"op": "add", "path": "displayName", "value": "E"})["displayName"], "E")

    def test_3_5_2_1_add_to_a_complex_attribute_sets_its_parts(self):
        self.assertEqual(self.after({"op": "add", "path": "name", "value": {"middleName": "M"}})["name"], {"givenName": "G", "familyName": "F", "middleName": "M"})

    def test_3_5_2_1_add_to_a_multi_valued_attribute_appends(self):
        after = self.after({"op": "add", "path": "emails", "value": [{"value": f"{self.mail}@third.example", "type": "other"}]})
        self.assertEqual([email["type"] for email in after["emails"]], ["work", "home", "other"])

    def test_3_5_2_1_adding_what_is_there_changes_nothing(self):
        """Where the value is already there no change is made, and lastModified should stay."""
        after = self.after({"op": "add", "path": "emails", "value": [self.before["emails"][1]]}, {"op": "add", "path": "displayName", "value": "D"})
        self.assertEqual(after, self.before)

    def test_3_5_2_1_add_to_what_a_filter_selects(self):
        after = self.after({"op": "add", "path": 'emails[type eq "home"]', "value": {"display": "Home"}})
        self.assertEqual((self.value(after, "home", "display"), self.value(after, "work", "display")), ("Home", None))

    def test_3_5_2_1_a_new_primary_value_takes_the_place_of_the_old(self):
        """Where a value is made primary the server sets the others to false."""
        after = self.after({"op": "add", "path": "emails", "value": [{"value": f"{self.mail}@new.example", "type": "other", "primary": True}]})
        self.assertEqual([email["type"] for email in after["emails"] if email.get("primary")], ["other"])
        after = self.after({"op": "replace", "path": 'emails[type eq "home"].primary', "value": True})
        self.assertEqual([email["type"] for email in after["emails"] if email.get("primary")], ["home"])

    def test_3_5_2_2_remove_needs_a_path(self):
        """Where path is left out the operation fails with noTarget."""
        self.fails("noTarget", {"op": "remove"})

    def test_3_5_2_2_remove_a_simple_attribute(self):
        self.assertNotIn("displayName", self.after({"op": "remove", "path": "displayName"}))

    def test_3_5_2_2_remove_a_complex_attribute_and_a_part(self):
        self.assertEqual(self.after({"op": "remove", "path": "name.givenName"})["name"], {"familyName": "F"})
        self.assertNotIn("name", self.after({"op": "remove", "path": "name"}))

    def test_3_5_2_2_remove_all_values(self):
        self.assertNotIn("emails", self.after({"op": "remove", "path": "emails"}))

    def test_3_5_2_2_remove_what_a_filter_selects(self):
        after = self.after({"op": "remove", "path": f'emails[type eq "work" and value ew "work.example"]'})
        self.assertEqual([email["type"] for email in after["emails"]], ["home"])

    def test_3_5_2_2_remove_a_part_of_what_a_filter_selects(self):
        after = self.after({"op": "remove", "path": 'emails[type eq "home"].type'})
        self.assertEqual([email.get("type") for email in after["emails"]], ["work", None])

    def test_3_5_2_2_the_last_value_goes_with_the_attribute(self):
        """Where all values are removed the attribute is unassigned."""
        after = self.after({"op": "remove", "path": 'emails[type eq "work"]'}, {"op": "remove", "path": 'emails[type eq "home"]'})
        self.assertNotIn("emails", after)

    def test_3_5_2_2_a_required_attribute_can_not_be_removed(self):
        """400 with mutability or invalidValue."""
        answer = self.patch(self.path, {"op": "remove", "path": "userName"})
        self.refused(answer, 400)
        self.assertIn(answer["scimType"], ("mutability", "invalidValue"))

    def test_3_5_2_2_an_extension_whose_attributes_are_gone_is_not_named(self):
        self.done(self.patch(self.path, {"op": "add", "path": f"{ENTERPRISE}:department", "value": "D"}))
        self.assertEqual(self.after({"op": "remove", "path": f"{ENTERPRISE}:department"})["schemas"], [USER])

    def test_3_5_2_3_replace_without_a_path(self):
        after = self.after({"op": "replace", "value": {"displayName": "E", "emails": [{"value": f"{self.mail}@only.example"}]}})
        self.assertEqual((after["displayName"], [email["value"] for email in after["emails"]]), ("E", [f"{self.mail}@only.example"]))

    def test_3_5_2_3_replace_of_what_is_not_there_adds(self):
        """Where the target does not exist replace is treated as add."""
        self.assertEqual(self.after({"op": "replace", "path": "title", "value": "T"})["title"], "T")

    def test_3_5_2_3_replace_a_complex_attribute_leaves_the_other_parts(self):
        """A set of sub-attributes is replaced, those not given are unchanged."""
        self.assertEqual(self.after({"op": "replace", "path": "name", "value": {"givenName": "H"}})["name"], {"givenName": "H", "familyName": "F"})

    def test_3_5_2_3_replace_all_values(self):
        after = self.after({"op": "replace", "path": "emails", "value": [{"value": f"{self.mail}@only.example", "type": "other"}]})
        self.assertEqual([email["type"] for email in after["emails"]], ["other"])

    def test_3_5_2_3_replace_what_a_filter_selects(self):
        after = self.after({"op": "replace", "path": 'emails[type eq "home"]', "value": {"value": f"{self.mail}@b.example", "type": "other"}})
        self.assertEqual([email["type"] for email in after["emails"]], ["work", "other"])

    def test_3_5_2_3_replace_a_part_of_what_a_filter_selects(self):
        after = self.after({"op": "replace", "path": 'emails[type eq "work"].value', "value": f"{self.mail}@b.example"})
        self.assertEqual((self.value(after, "work"), self.value(after, "work", "primary")), (f"{self.mail}@b.example", True))

    def test_3_5_2_3_a_filter_without_a_match_is_no_target(self):
        """Where the filter selects nothing the operation fails with noTarget."""
        self.fails("noTarget", {"op": "replace", "path": 'emails[type eq "other"]', "value": {"value": "x@example.com"}})

    def test_3_5_2_a_change_moves_last_modified_and_the_version(self):
        after = self.after({"op": "replace", "path": "displayName", "value": "E"})
        self.assertNotEqual(after["meta"]["version"], self.before["meta"]["version"])
        self.assertGreaterEqual(after["meta"]["lastModified"], self.before["meta"]["lastModified"])
        self.assertEqual(after["meta"]["created"], self.before["meta"]["created"])

    def test_3_5_2_members_of_a_group(self):
        one, two, three = self.user(), self.user(), self.user()
        group = self.group(one)
        path = f"/Groups/{group['id']}"
        for operation, expected in (
            ({"op": "add", "path": "members", "value": [{"value": two["id"]}, {"value": three["id"]}]}, (one, two, three)),
            ({"op": "add", "value": {"members": [{"value": two["id"]}]}}, (one, two, three)),
            ({"op": "remove", "path": f'members[value eq "{one["id"]}" or value eq "{two["id"]}"]'}, (three,)),
            ({"op": "replace", "path": "members", "value": [{"value": one["id"]}]}, (one,)),
            ({"op": "remove", "path": "members"}, ()),
        ):
            self.done(self.patch(path, operation))
            self.assertEqual(self.members(group), sorted(user["id"] for user in expected), operation)


class Delete(Provider):
    """§3.6."""

    def test_3_6_the_answer_is_204(self):
        for path in (f"/Users/{self.user()['id']}", f"/Groups/{self.group()['id']}"):
            answer = self.delete(path)
            self.assertEqual((answer.status, answer.text), (204, ""))

    def test_3_6_afterwards_it_is_not_there(self):
        """All later operations get 404, and queries omit it."""
        user = self.user()
        path = f"/Users/{user['id']}"
        self.delete(path)
        for method, body in (("GET", None), ("PUT", user), ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}), ("DELETE", None)):
            self.refused(self.ask(method, path, body), 404)
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"'), [])
        self.assertEqual(self.found(f'id eq "{user["id"]}"', "/"), [])

    def test_3_6_its_name_is_free(self):
        """A resource that was deleted must not be considered in conflicts, and ids are not used again (RFC 7643 §3.1)."""
        user = self.user()
        self.delete(f"/Users/{user['id']}")
        self.assertNotEqual(self.user(userName=user["userName"])["id"], user["id"])

    def test_3_6_what_is_not_there_can_not_be_deleted(self):
        self.refused(self.delete(f"/Users/{NOBODY}"), 404)


class Strict(Provider):
    """What a client of profile `strict` is refused, and one of `rfc` is not."""

    PROFILE = "strict"

    def test_3_3_schemas_of_another_type_are_an_error(self):
        """RFC 7644 §3.3: the body is a resource of the endpoint's type."""
        for schemas in ([GROUP], ["urn:scim:schemas:core:1.0"], []):
            self.refused(self.post("/Users", {"schemas": schemas, "userName": self.name()}), 400)

    def test_3_3_unknown_attributes_are_an_error(self):
        """Interoperability profile: invalidSyntax, and the name is told."""
        answer = self.post("/Users", {"schemas": [USER], "userName": self.name(), "nothingOfThatName": "x"})
        self.refused(answer, 400, "invalidSyntax")
        self.assertIn("nothingOfThatName", answer["detail"])

    def test_3_3_a_string_for_a_complex_value_is_an_error(self):
        """RFC 7643 §2.3.8: a complex value is an object."""
        for more in ({"emails": "x@example.com"}, {"emails": ["x@example.com"]}, {"active": "True"}):
            self.refused(self.post("/Users", {"schemas": [USER], "userName": self.name()} | more), 400)

    def test_3_5_2_a_patch_without_a_path_is_an_error(self):
        """Interoperability profile: a PATCH names its target."""
        user = self.user()
        for action in ("add", "replace"):
            self.refused(self.patch(f"/Users/{user['id']}", {"op": action, "value": {"title": "T"}}), 400, "invalidSyntax")

    def test_3_5_2_3_a_complex_attribute_is_replaced_whole(self):
        """Interoperability profile: replace of a complex attribute replaces all of it."""
        user = self.user(name={"givenName": "G", "familyName": "F"})
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "path": "name", "value": {"givenName": "H"}}))
        self.assertEqual(self.read("Users", user["id"])["name"], {"givenName": "H"})

    def test_3_4_2_2_an_unknown_attribute_in_a_filter(self):
        """Interoperability profile: invalidFilter on the endpoint of a type."""
        self.refused(self.get("/Users", filter='nothingOfThatName eq "x"'), 400, "invalidFilter")

    def test_3_6_a_deleted_name_is_free(self):
        user = self.user()
        self.assertEqual(self.delete(f"/Users/{user['id']}").status, 204)
        self.assertNotEqual(self.user(userName=user["userName"])["id"], user["id"])


class StrictPatch(Patch):
    """The rules of PATCH hold under `strict` too, but for its own."""

    PROFILE = "strict"

    def test_3_5_2_1_add_without_a_path(self):
        self.fails("invalidSyntax", {"op": "add", "value": {"nickName": "N"}})

    def test_3_5_2_3_replace_without_a_path(self):
        self.fails("invalidSyntax", {"op": "replace", "value": {"displayName": "E"}})

    def test_3_5_2_3_replace_a_complex_attribute_leaves_the_other_parts(self):
        """The interoperability profile has it that it replaces the whole."""
        self.assertEqual(self.after({"op": "replace", "path": "name", "value": {"givenName": "H"}})["name"], {"givenName": "H"})

    def test_3_5_2_members_of_a_group(self):
        one, two = self.user(), self.user()
        group = self.group(one)
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": two["id"]}]}))
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{one["id"]}"]'}))
        self.assertEqual(self.members(group), [two["id"]])


class Bulk(Provider):
    """§3.7."""

    def bulk(self, *operations, **more):
        answer = self.post("/Bulk", {"schemas": [BULK], "Operations": list(operations)} | more)
        self.assertEqual((answer.status, answer.body["schemas"]), (200, [RESPONSE]), answer)
        return answer["Operations"]

    def create(self, name, **more):
        return {"method": "POST", "path": "/Users", "bulkId": name, "data": {"schemas": [USER], "userName": self.name()} | more}

    def test_3_7_results_tell_method_bulk_id_location_and_status(self):
        """Each result has the method, the bulkId of a POST, the location and the status code as a string."""
        done, = self.bulk(self.create("qwerty"))
        self.assertEqual((done["method"], done["bulkId"], done["status"]), ("POST", "qwerty", "201"))
        user = self.get(done["location"][done["location"].index("/scim"):])
        self.assertEqual((user.status, done["version"]), (200, user["meta"]["version"]))

    def test_3_7_all_methods(self):
        user = self.user()
        path = f"/Users/{user['id']}"
        operations = (
            {"method": "PUT", "path": path, "data": user | {"title": "T"}},
            {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "nickName", "value": "N"}]}},
            {"method": "DELETE", "path": path},
        )
        done = self.bulk(*operations)
        self.assertEqual([result["method"] for result in done], ["PUT", "PATCH", "DELETE"])
        self.assertIn([result["status"] for result in done], (["200", "200", "204"], ["200", "204", "204"]))
        self.refused(self.get(path), 404)

    def test_3_7_1_a_reference_to_what_the_same_request_makes(self):
        """bulkId:… in a value stands for the id of the resource that operation makes."""
        group = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"type": "User", "value": "bulkId:u"}]}}
        done = {result["bulkId"]: result for result in self.bulk(self.create("u"), group)}
        ids = {name: result["location"].rsplit("/", 1)[1] for name, result in done.items()}
        self.assertEqual(self.members({"id": ids["g"]}), [ids["u"]])

    def test_3_7_1_a_reference_forward(self):
        group = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"value": "bulkId:u"}]}}
        done = {result["bulkId"]: result for result in self.bulk(group, self.create("u"))}
        ids = {name: result["location"].rsplit("/", 1)[1] for name, result in done.items()}
        self.assertEqual(self.members({"id": ids["g"]}), [ids["u"]])

    def test_3_7_1_references_in_a_circle(self):
        """The service provider must try to resolve circular references."""
        manager = lambda other: {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"manager": {"value": f"bulkId:{other}"}}}
        done = {result["bulkId"]: result for result in self.bulk(self.create("a", **manager("b")), self.create("b", **manager("a")))}
        ids = {name: result["location"].rsplit("/", 1)[1] for name, result in done.items()}
        for one, other in (("a", "b"), ("b", "a")):
            self.assertEqual(self.read("Users", ids[one])[ENTERPRISE]["manager"]["value"], ids[other])

    def test_3_7_1_a_reference_in_a_path(self):
        patch = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "T"}]}
        done = self.bulk(self.create("u"), {"method": "PATCH", "path": "/Users/bulkId:u", "data": patch})
        self.assertEqual(self.get(done[0]["location"][done[0]["location"].index("/scim"):])["title"], "T")

    def test_3_7_1_a_reference_to_nothing(self):
        """409 where a bulkId cannot be resolved."""
        group = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"value": "bulkId:nothing"}]}}
        result, = self.bulk(group)
        self.assertEqual((result["status"], result["response"]["schemas"]), ("409", [ERROR]))

    def test_3_7_2_a_failure_is_told_with_its_error_and_the_rest_goes_on(self):
        """Without failOnErrors all operations are performed."""
        user = self.user()
        done = self.bulk(self.create("a", userName=user["userName"]), self.create("b"))
        self.assertEqual([result["status"] for result in done], ["409", "201"])
        self.assertEqual((done[0]["response"]["scimType"], done[0]["response"]["status"]), ("uniqueness", "409"))
        self.assertNotIn("location", done[0], "a POST that failed made nothing")

    def test_3_7_2_fail_on_errors_ends_it(self):
        """After as many errors as failOnErrors says nothing more is done."""
        user, third = self.user(), self.name()
        done = self.bulk(self.create("a", userName=user["userName"]), self.create("b", userName=user["userName"]), self.create("c", userName=third), failOnErrors=2)
        self.assertEqual([result["status"] for result in done], ["409", "409"])
        self.assertEqual(self.found(f'userName eq "{third}"'), [])

    def test_3_7_a_post_needs_a_bulk_id(self):
        """bulkId is required where the method is POST."""
        operation = self.create("x")
        del operation["bulkId"]
        answer = self.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
        status = answer.status if answer.status != 200 else int(answer["Operations"][0]["status"])
        self.assertEqual(status, 400, answer)

    def test_3_7_another_schema_is_no_bulk(self):
        self.refused(self.post("/Bulk", {"schemas": [PATCH], "Operations": [self.create("x")]}), 400, "invalidSyntax")

    def test_3_7_3_too_many_operations(self):
        """413 with the limit in the detail where maxOperations is exceeded, and nothing is done."""
        limit = self.get("/ServiceProviderConfig")["bulk"]["maxOperations"]
        name = self.name()
        operations = [self.create(f"b{at}", userName=f"{name}-{at}") for at in range(limit + 1)]
        answer = self.post("/Bulk", {"schemas": [BULK], "Operations": operations})
        self.refused(answer, 413)
        self.assertIn(str(limit), answer["detail"])
        self.assertEqual(self.found(f'userName sw "{name}-"'), [])

    def test_3_7_3_too_large_a_payload(self):
        """413 where maxPayloadSize is exceeded."""
        limit = self.get("/ServiceProviderConfig")["bulk"]["maxPayloadSize"]
        answer = self.post("/Bulk", {"schemas": [BULK], "Operations": [self.create("x", title="t" * limit)]})
        self.refused(answer, 413)

    def test_3_7_the_configuration_tells_the_limits(self):
        """RFC 7643 §5: supported, maxOperations and maxPayloadSize."""
        bulk = self.get("/ServiceProviderConfig")["bulk"]
        self.assertIs(bulk["supported"], True)
        self.assertGreater(bulk["maxOperations"], 0)
        self.assertGreater(bulk["maxPayloadSize"], 0)

    def test_3_7_the_version_of_an_operation_is_a_condition(self):
        """version is as If-Match: 412 where it is not that of the resource."""
        user = self.user()
        path = f"/Users/{user['id']}"
        done, = self.bulk({"method": "DELETE", "path": path, "version": 'W/"0"'})
        self.assertEqual(done["status"], "412")
        done, = self.bulk({"method": "DELETE", "path": path, "version": user["meta"]["version"]})
        self.assertEqual(done["status"], "204")


class Alias(Provider):
    """§3.11: /Me."""

    def test_3_11_a_machine_is_nobody(self):
        """A token that is no user's has no /Me: an error, and never somebody else's resource."""
        answer = self.get("/Me")
        self.assertIn(answer.status, (403, 404, 501), answer)
        self.refused(answer, answer.status)


class Errors(Provider):
    """§3.12."""

    def test_3_12_the_form_of_an_error(self):
        """schemas, and status as a string; detail for people."""
        for answer in (self.get(f"/Users/{NOBODY}"), self.get("/Users", filter="x"), self.ask("DELETE", "/Users"), self.get("/Nothing"), self.ask("POST", "/Users", b"{")):
            self.refused(answer, answer.status)
            self.assertGreaterEqual(answer.status, 400)

    def test_3_12_internals_are_not_told(self):
        """RFC 7644 §7.5.2 and hardening HB: no name of a file, a type or an attribute of the store."""
        for answer in (self.get(f"/Users/{NOBODY}"), self.get("/Users", filter="x"), self.post("/Users", {"schemas": [USER]}), self.post("/Users", {"schemas": [USER], "userName": self.user()["userName"]})):
            for word in ("src/", ".rs", "Some(", "Err(", "uid=", "entryUUID", "objectClass"):
                self.assertNotIn(word, answer.text)


class Versions(Provider):
    """§3.14: ETags."""

    def setUp(self):
        super().setUp()
        self.held = self.user()
        self.path = f"/Users/{self.held['id']}"

    def test_3_14_the_version_is_in_the_header_and_in_meta(self):
        """Where it is supported it must be in the ETag header, and in meta.version."""
        answer = self.get(self.path)
        self.assertEqual(answer.headers["etag"], answer["meta"]["version"])
        made = self.post("/Users", {"schemas": [USER], "userName": self.name()})
        self.assertEqual(made.headers["etag"], made["meta"]["version"])

    def test_3_14_a_resource_that_has_not_changed_is_not_sent_again(self):
        for tag in (self.held["meta"]["version"], "*", f'W/"x", {self.held["meta"]["version"]}'):
            answer = self.ask("GET", self.path, headers={"If-None-Match": tag})
            self.assertEqual((answer.status, answer.text), (304, ""), tag)
        self.assertEqual(self.ask("GET", self.path, headers={"If-None-Match": 'W/"x"'}).status, 200)

    def test_3_14_a_change_on_a_condition_that_fails(self):
        """412, and nothing is changed."""
        patch = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}
        for method, body in (("PUT", self.held | {"title": "x"}), ("PATCH", patch), ("DELETE", None)):
            self.refused(self.ask(method, self.path, body, {"If-Match": 'W/"0"'}), 412)
        self.assertEqual(self.read("Users", self.held["id"]), self.held)

    def test_3_14_a_change_on_a_condition_that_holds(self):
        tag = self.held["meta"]["version"]
        answer = self.ask("PUT", self.path, self.held | {"title": "x"}, {"If-Match": tag})
        self.assertEqual(answer.status, 200)
        self.refused(self.ask("PUT", self.path, self.held | {"title": "y"}, {"If-Match": tag}), 412)
        self.assertEqual(self.ask("DELETE", self.path, headers={"If-Match": f'W/"x", {answer.headers["etag"]}'}).status, 204)

    def test_3_14_the_version_of_a_group_covers_its_members(self):
        group = self.group()
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": self.held["id"]}]}))
        self.assertNotEqual(self.read("Groups", group["id"])["meta"]["version"], group["meta"]["version"])


class Discovery(Provider):
    """§4."""

    def test_4_the_configuration(self):
        """RFC 7643 §5: each capability with supported, and the schemes of authentication."""
        answer = self.get("/ServiceProviderConfig")
        self.assertEqual((answer.status, answer["schemas"]), (200, [CORE + "ServiceProviderConfig"]))
        for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
            self.assertIs(type(answer[name]["supported"]), bool, name)
        self.assertGreater(answer["filter"]["maxResults"], 0)
        for scheme in answer["authenticationSchemes"]:
            self.assertTrue(scheme["type"] and scheme["name"] and scheme["description"])
        self.assertEqual(answer["meta"]["resourceType"], "ServiceProviderConfig")

    def test_4_resource_types(self):
        """RFC 7643 §6: name, endpoint and schema of each, and each can be read by itself."""
        for kind in self.listed(self.get("/ResourceTypes")):
            self.assertEqual(kind["schemas"], [CORE + "ResourceType"])
            self.assertTrue(kind["name"] and kind["endpoint"].startswith("/") and kind["schema"])
            location = kind["meta"]["location"]
            alone = self.get(location[location.index("/scim"):])
            self.assertEqual((alone.status, alone.body), (200, kind))

    def test_4_schemas(self):
        """RFC 7643 §7: each schema that a type names is there, and can be read by itself."""
        schemas = {schema["id"]: schema for schema in self.listed(self.get("/Schemas"))}
        for kind in self.listed(self.get("/ResourceTypes")):
            for urn in (kind["schema"], *(extension["schema"] for extension in kind.get("schemaExtensions", []))):
                self.assertIn(urn, schemas)
                alone = self.get(f"/Schemas/{urn}")
                self.assertEqual((alone.status, alone.body), (200, schemas[urn]))

    def test_4_every_type_that_is_listed_can_be_asked(self):
        for kind in self.listed(self.get("/ResourceTypes")):
            self.listed(self.get(kind["endpoint"], count=1))

    def test_4_a_filter_is_forbidden(self):
        """Where a filter is given service providers shall answer with 403, as it was not understood."""
        for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
            self.refused(self.get(path, filter='id pr'), 403)

    def test_4_other_parameters_are_ignored(self):
        """Query parameters of sorting, paging and attributes shall be ignored."""
        for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
            plain = self.get(path)
            self.assertEqual(self.get(path, sortBy="id", sortOrder="descending", startIndex=2, count=1, attributes="id").body, plain.body)

    def test_4_what_is_not_there(self):
        for path in ("/ResourceTypes/Nothing", "/Schemas/urn:nothing"):
            self.refused(self.get(path), 404)


class Preparation(Provider):
    """§5: preparation and comparison of international strings."""

    def test_5_names_are_compared_in_one_form(self):
        """RFC 8265 §3.3: width and composition do not make another user name."""
        name = self.name("caf\u00e9")
        user = self.user(userName=name)
        for other in (name.replace("\u00e9", "e\u0301"), name.upper(), "".join(chr(ord(letter) + 0xFEE0) if "a" <= letter <= "z" else letter for letter in name)):
            self.assertEqual(self.found(f'userName eq "{other}"'), [user["id"]], other)
            self.refused(self.post("/Users", {"schemas": [USER], "userName": other}), 409, "uniqueness")

    def test_5_passwords_are_compared_in_one_form(self):
        """RFC 8265 §4.2: a password is compared in composed form, and a non-ASCII space is a space."""
        import ldap
        import ldap.dn

        user = self.user(password="Caf\u00e9\u00a0Horse 7 Battery staple", active=True)
        name = ldap.dn.dn2str([[("uid", user["userName"], 1)], *ldap.dn.str2dn(f"ou=users,{self.demo.organisation}")])
        ldap.initialize(self.demo.ldap).simple_bind_s(name, "Cafe\u0301 Horse 7 Battery staple")


class StrictDelete(Delete):
    PROFILE = "strict"


class StrictVersions(Versions):
    PROFILE = "strict"


class StrictFilters(Filters):
    PROFILE = "strict"


class StrictOrder(Order):
    PROFILE = "strict"


class StrictReplace(Replace):
    PROFILE = "strict"
