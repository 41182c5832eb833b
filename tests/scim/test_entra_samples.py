"""Microsoft's published sample requests of the Entra provisioning service with the answers it wants, and the steps of the Postman
collection of its reference code. Users of the collection share an address and an externalId; here each has its own (U3, HE1)."""

import uuid

from provider import ENTERPRISE, ERROR, GROUP, LIST, MEDIA_TYPE, NOBODY, PATCH, USER, Provider

MICROSOFT_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


class Samples(Provider):
    """Each request of the tutorial, and its answer."""

    PROFILE = "entra"

    def sample(self, **more):
        name = f"Test_User_{uuid.uuid4()}"
        body = {
            "schemas": [USER, ENTERPRISE], "externalId": str(uuid.uuid4()), "userName": name, "active": True,
            "emails": [{"primary": True, "type": "work", "value": f"{name}@testuser.example"}], "meta": {"resourceType": "User"},
            "name": {"formatted": "given family", "familyName": "family", "givenName": "given"}, "roles": [],
        }
        return body | more

    def sampled(self):
        return self.made(self.post("/Users", self.sample()))

    def grouped(self):
        body = {"schemas": [GROUP, MICROSOFT_GROUP], "externalId": str(uuid.uuid4()), "displayName": self.name("displayName"), "meta": {"resourceType": "Group"}}
        return self.made(self.post("/Groups", body))

    def shown(self, resource, sent):
        """What was sent is what is shown, with an id and the times."""
        for name in ("externalId", "userName", "active", "name"):
            self.assertEqual(resource[name], sent[name], name)
        self.assertEqual(resource["schemas"], [USER])
        email, = resource["emails"]
        self.assertEqual({name: email[name] for name in ("value", "type", "primary")}, sent["emails"][0])
        self.assertEqual(resource["meta"]["resourceType"], "User")
        for name in ("created", "lastModified"):
            self.assertRegex(resource["meta"][name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_create_user(self):
        sent = self.sample()
        answer = self.post("/Users", sent)
        self.assertEqual((answer.status, answer.headers["content-type"].split(";")[0]), (201, MEDIA_TYPE))
        self.shown(answer.body, sent)

    def test_get_user(self):
        sent = self.sample()
        made = self.made(self.post("/Users", sent))
        self.shown(self.read("Users", made["id"]), sent)

    def test_get_user_that_is_not_there(self):
        for ident in ("5171a35d82074e068ce2", NOBODY):
            answer = self.get(f"/Users/{ident}")
            self.assertEqual((answer.status, answer["schemas"], answer["status"]), (404, [ERROR], "404"))

    def test_get_user_by_query(self):
        sent = self.sample()
        made = self.made(self.post("/Users", sent))
        answer = self.get("/Users", filter=f'userName eq "{sent["userName"]}"')
        found, = self.listed(answer)
        self.assertEqual((found["id"], answer["totalResults"], answer["startIndex"]), (made["id"], 1, 1))
        self.shown(found, sent)

    def test_get_user_by_query_without_results(self):
        answer = self.get("/Users", filter='userName eq "non-existent user"')
        self.assertEqual((answer.status, answer["schemas"], answer["totalResults"], answer["Resources"], answer["startIndex"]), (200, [LIST], 0, [], 1))

    def test_update_user_multi_valued(self):
        user = self.sampled()
        mail = f"updated.{self.name()}@microsoft.example"
        operations = [{"op": "Replace", "path": 'emails[type eq "work"].value', "value": mail}, {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"}]
        self.done(self.patch(f"/Users/{user['id']}", *operations))
        after = self.read("Users", user["id"])
        self.assertEqual((after["emails"], after["name"]["familyName"], after["name"]["givenName"]), ([{"value": mail, "type": "work", "primary": True}], "updatedFamilyName", "given"))

    def test_update_user_single_valued(self):
        user, name = self.sampled(), f"{uuid.uuid4()}@testuser.example"
        self.done(self.patch(f"/Users/{user['id']}", {"op": "Replace", "path": "userName", "value": name}))
        after = self.read("Users", user["id"])
        self.assertEqual((after["userName"], after["id"], after["emails"]), (name, user["id"], user["emails"]))

    def test_disable_user(self):
        user = self.sampled()
        self.done(self.ask("PATCH", f"/Users/{user['id']}", {"Operations": [{"op": "Replace", "path": "active", "value": False}], "schemas": [PATCH]}))
        self.assertIs(self.read("Users", user["id"])["active"], False)

    def test_restore_user(self):
        user = self.sampled()
        for active in (False, True):
            self.done(self.patch(f"/Users/{user['id']}", {"op": "Replace", "path": "active", "value": active}))
        self.assertIs(self.read("Users", user["id"])["active"], True)

    def test_delete_user(self):
        user = self.sampled()
        answer = self.delete(f"/Users/{user['id']}")
        self.assertEqual((answer.status, answer.text), (204, ""))
        self.refused(self.get(f"/Users/{user['id']}"), 404)

    def test_create_group(self):
        group = self.grouped()
        self.assertEqual((group["schemas"], group["meta"]["resourceType"], group.get("members", [])), ([GROUP], "Group", []))
        self.assertTrue(group["externalId"] and group["id"])

    def test_get_group(self):
        group = self.grouped()
        read = self.read("Groups", group["id"], excludedAttributes="members")
        self.assertEqual((read["displayName"], read["externalId"], "members" in read), (group["displayName"], group["externalId"], False))

    def test_get_group_by_display_name(self):
        group = self.grouped()
        found, = self.listed(self.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{group["displayName"]}"'))
        self.assertEqual((found["id"], "members" in found), (group["id"], False))

    def quietly(self, path, operation):
        """204, as the tutorial wants it of groups."""
        answer = self.patch(path, operation)
        self.assertEqual((answer.status, answer.text), (204, ""), answer)

    def test_update_group_non_member_attributes(self):
        group, name = self.grouped(), f"{uuid.uuid4()}updatedDisplayName"
        self.quietly(f"/Groups/{group['id']}", {"op": "Replace", "path": "displayName", "value": name})
        self.assertEqual(self.read("Groups", group["id"])["displayName"], name)

    def test_update_group_add_and_remove_members(self):
        group, user = self.grouped(), self.sampled()
        for action, expected in (("Add", [user["id"]]), ("Remove", [])):
            self.quietly(f"/Groups/{group['id']}", {"op": action, "path": "members", "value": [{"$ref": None, "value": user["id"]}]})
            self.assertEqual(self.members(group), expected)

    def test_delete_group(self):
        group = self.grouped()
        self.assertEqual(self.delete(f"/Groups/{group['id']}").status, 204)
        self.refused(self.get(f"/Groups/{group['id']}"), 404)

    def test_discover_schemas(self):
        answer = self.get("/Schemas")
        schemas = {schema["id"]: schema for schema in self.listed(answer)}
        self.assertLessEqual({USER, GROUP, ENTERPRISE}, set(schemas))
        self.assertNotIn("null", answer.text, "no null values")
        for schema in schemas.values():
            self.assertTrue(schema["meta"]["location"].endswith(f"/Schemas/{schema['id']}"), schema["meta"])
            for attribute in schema["attributes"]:
                self.assertIn(attribute["mutability"], ("readOnly", "readWrite", "immutable", "writeOnly"))

    def test_mandatory_filters(self):
        """Whatever can be a matching attribute can be asked for."""
        user = self.sampled()
        for text in (f'userName eq "{user["userName"]}"', f'externalId eq "{user["externalId"]}"', f'emails[type eq "work"].value eq "{user["emails"][0]["value"]}"', f'id eq "{user["id"]}"'):
            self.assertEqual(self.found(text), [user["id"]], text)

    def test_with_the_flag_operations_are_those_of_the_rfc(self):
        user = self.sampled()
        value = {"displayName": "Bjfe", "name.givenName": "Kkom", "name.familyName": "Unua", f"{ENTERPRISE}:employeeNumber": "Aklq"}
        operations = [{"op": "replace", "path": 'emails[type eq "work"].value', "value": f"{self.name('t')}@microsoft.example"}, {"op": "replace", "value": value}]
        self.done(self.patch(f"/Users/{user['id']}", *operations))
        after = self.read("Users", user["id"])
        self.assertEqual((after["displayName"], after["name"]["givenName"], after["name"]["familyName"], after[ENTERPRISE]["employeeNumber"]), ("Bjfe", "Kkom", "Unua", "Aklq"))

    def test_without_the_flag_each_attribute_is_an_operation(self):
        user = self.sampled()
        external = str(uuid.uuid4())
        paths = {"displayName": "Pvlo", "name.givenName": "Gtfd", "name.familyName": "Pkqf", "externalId": external, f"{ENTERPRISE}:employeeNumber": "Eqpj"}
        self.done(self.patch(f"/Users/{user['id']}", *({"op": "Replace", "path": path, "value": value} for path, value in paths.items())))
        after = self.read("Users", user["id"])
        self.assertEqual((after["displayName"], after["externalId"], after["name"]["givenName"], after[ENTERPRISE]["employeeNumber"]), ("Pvlo", external, "Gtfd", "Eqpj"))


class SamplesUnderRfc(Samples):
    """The same with a client of profile `rfc`, which answers with the resource."""

    PROFILE = "rfc"

    def quietly(self, path, operation):
        self.done(self.patch(path, operation))


class Collection(Provider):
    """The steps of the Postman collection."""

    PROFILE = "entra"

    def person(self, **more):
        """A user as the collection has them: a good deal of it null."""
        name = self.name("OMalley")
        empty = dict.fromkeys(("country", "locality", "postalCode", "region", "streetAddress"))
        body = {
            "userName": name, "active": True, "displayName": "Kim Baker", "preferredLanguage": "xh", "roles": [], "title": "Site engineer",
            "externalId": str(uuid.uuid4()), "schemas": [USER],
            "addresses": [
                {"country": "Bermuda", "formatted": "9 Way\nTown, MI 5", "locality": "West", "postalCode": "99265", "region": "M", "streetAddress": "4 Fork", "type": "work", "primary": False},
                {**empty, "formatted": "1 Unions\nEast, CT 5", "type": "other", "primary": False},
            ],
            "emails": [{"type": "work", "primary": True, "value": f"{name}@example.com"}, {"type": "other", "primary": False, "value": f"{name}@mail.example"}],
            "meta": {"created": "2019-09-18T18:15:26.5788954+00:00", "lastModified": "2019-09-18T18:15:26.5788976+00:00", "resourceType": "User"},
            "name": {"formatted": "Daniel Mcgee", "familyName": "OMalley", "givenName": "Darl", "honorificPrefix": None, "honorificSuffix": None},
            "phoneNumbers": [{"type": kind, "primary": kind == "work", "value": f"312-320-0{at}00"} for at, kind in enumerate(("fax", "mobile", "work"))],
        }
        return body | more

    def capitals(self, **more):
        """A user whose attributes are spelt with capitals here and there."""
        name = self.name("UserName")
        body = {
            "userName": name, "active": True, "displayName": "BobIsAmazing", "schemas": [ENTERPRISE, USER], "externalId": str(uuid.uuid4()),
            "name": {"formatted": "Ryan Leenay", "familyName": "Leenay", "givenName": "Ryan"},
            "emails": [{"Primary": True, "type": "work", "value": f"{name}@bob.example"}, {"Primary": False, "type": "home", "value": f"home.{name}@bob.example"}],
        }
        return body | more

    def test_endpoints(self):
        self.listed(self.get("/Users"))
        self.listed(self.get("/Groups"))
        self.assertEqual(self.listed(self.get("/ResourceTypes"))[0]["endpoint"], "/Users")
        self.assertIs(self.get("/ServiceProviderConfig")["patch"]["supported"], True)
        self.assertIn("User Account", self.get("/Schemas").text)

    def test_post_and_get_user(self):
        made = self.made(self.post("/Users", self.capitals()))
        self.assertEqual(self.value(made, "work", "primary"), True)
        self.assertEqual(self.read("Users", made["id"])["id"], made["id"])

    def test_post_enterprise_user_with_capitals(self):
        body = self.capitals()
        body[ENTERPRISE] = {"Department": "bob", "Manager": {"Value": self.user()["id"]}}
        made = self.made(self.post("/Users", body))
        self.assertEqual(made[ENTERPRISE]["department"], "bob")
        self.assertEqual(made[ENTERPRISE]["manager"]["value"], body[ENTERPRISE]["Manager"]["Value"])

    def test_get_attributes(self):
        made = self.made(self.post("/Users", self.capitals()))
        found = [user for user in self.listed(self.get("/Users", attributes="userName,emails", count=1000)) if user["id"] == made["id"]]
        self.assertEqual({name for name in found[0]} - {"schemas", "id", "meta"}, {"userName", "emails"})

    def test_filter_with_pluses_and_capitals(self):
        display = self.name("Bob")
        made = self.made(self.post("/Users", self.capitals(displayName=display)))
        answer = self.get(f"/Users/?filter=DisplayName+eq+%22{display}%22")
        self.assertEqual([user["id"] for user in self.listed(answer)], [made["id"]])

    def test_patch_and_put_user(self):
        made = self.made(self.post("/Users", self.capitals()))
        path, name = f"/Users/{made['id']}", self.name("ryan")
        self.done(self.patch(path, {"op": "replace", "path": "userName", "value": name}))
        self.assertEqual(self.read("Users", made["id"])["userName"], name)
        replacement = self.capitals(id=made["id"], name={"formatted": "NewName", "familyName": "Leenay", "givenName": "Ryan"})
        self.assertEqual(self.put(path, replacement).status, 200)
        after = self.read("Users", made["id"])
        self.assertEqual((after["name"]["formatted"], after["userName"]), ("NewName", replacement["userName"]))
        self.assertEqual(self.delete(path).status, 204)

    def test_groups(self):
        one, two = self.user(), self.user()
        empty = self.made(self.post("/Groups", {"externalId": str(uuid.uuid4()), "schemas": [GROUP], "displayName": self.name("Group"), "members": []}))
        filled = self.group(one)
        self.assertEqual((self.members(empty), self.members(filled)), ([], [one["id"]]))
        put = {"schemas": [GROUP], "id": empty["id"], "displayName": self.name("putName"), "members": [{"value": one["id"], "display": "VP"}, {"value": two["id"], "display": "SVP"}]}
        self.assertEqual(self.put(f"/Groups/{empty['id']}", put).status, 200)
        self.assertEqual(self.members(empty), sorted([one["id"], two["id"]]))
        path = f"/Groups/{filled['id']}"
        add = {"name": "addMember", "op": "add", "path": "members", "value": [{"displayName": "new User", "value": two["id"]}]}
        self.done(self.patch(path, add))
        self.assertEqual(self.members(filled), sorted([one["id"], two["id"]]))
        self.done(self.patch(path, {"op": "remove", "path": f'members[value eq "{two["id"]}"]'}))
        self.assertEqual(self.members(filled), [one["id"]])
        self.done(self.patch(path, add))
        self.done(self.patch(path, {"op": "remove", "path": "members"}))
        self.assertEqual(self.members(filled), [])

    def test_attributes_by_filter(self):
        body = self.capitals()
        made = self.made(self.post("/Users", body))
        work = body["emails"][0]["value"]
        for text in ("emails%5Btype+eq+%22work%22%5D", f"emails%5Bvalue+eq+%22{work}%22%5D"):
            answer = self.get(f"/Users?attributes={text}&count=1000")
            found, = (user for user in self.listed(answer) if user["id"] == made["id"])
            self.assertEqual([email["value"] for email in found["emails"]], [work])

    def test_garbage_nulls_are_no_values(self):
        sent = self.person()
        made = self.made(self.post("/Users", sent))
        self.assertEqual((made["userName"], made["active"]), (sent["userName"], True))
        self.assertNotIn("honorificPrefix", made["name"])
        other, = (address for address in made["addresses"] if address["type"] == "other")
        self.assertEqual({name for name in other if other[name] is not False}, {"formatted", "type"})
        self.assertNotEqual(made["meta"]["created"][:4], "2019", "what is read-only is ours")

    def test_garbage_active_as_a_string(self):
        self.assertIs(self.made(self.post("/Users", self.person(active="True")))["active"], True)

    def test_garbage_is_refused(self):
        without = self.person()
        del without["userName"]
        self.refused(self.post("/Users", without), 400)
        self.refused(self.ask("POST", "/Users", b'{ "acve": tre, "adadfdresses": [ { "coudftry": null, les": [] '), 400, "invalidSyntax")
        sent = self.person()
        made = self.made(self.post("/Users", sent))
        for _ in range(2):
            self.refused(self.post("/Users", sent), 409, "uniqueness")
        misspelt = self.person(id=made["id"])
        misspelt["userame"] = misspelt.pop("userName")
        self.refused(self.put(f"/Users/{made['id']}", misspelt), 400)

    def test_garbage_misspelt_attribute_is_ignored(self):
        made = self.made(self.post("/Users", self.person()))
        sent = self.person(active=False)
        sent["adreses"] = sent.pop("addresses")
        answer = self.put(f"/Users/{made['id']}", sent)
        self.assertEqual((answer.status, "addresses" in answer.body, "adreses" in answer.body), (200, False, False), answer)

    def test_garbage_enterprise_department(self):
        body = self.person(schemas=[USER, ENTERPRISE])
        body[ENTERPRISE] = {"Department": "some department"}
        self.assertEqual(self.made(self.post("/Users", body))[ENTERPRISE], {"department": "some department"})

    def test_garbage_put_of_a_disabled_user(self):
        made = self.made(self.post("/Users", self.person()))
        path, name = f"/Users/{made['id']}", self.name("newusername")
        self.done(self.patch(path, {"op": "Replace", "path": "userName", "value": name}))
        self.done(self.patch(path, {"op": "Replace", "path": "active", "value": False}))
        after = self.read("Users", made["id"])
        self.assertEqual((after["userName"], after["active"]), (name, False))
        sent = self.person(active=False)
        sent["addresses"][0]["country"] = "Germany"
        answer = self.put(path, sent)
        self.assertEqual((answer.status, answer["userName"], answer["active"], answer["addresses"][0]["country"]), (200, sent["userName"], False, "Germany"))

    def test_garbage_filters(self):
        sent = self.person(name={"familyName": self.name("Employee")})
        made = self.made(self.post("/Users", sent))
        family, mail = sent["name"]["familyName"], sent["emails"][0]["value"]
        for text in (
            f"name.FamilyName eq {family} and (emails.Value co example.com or emails.Value co example.org)",
            f"userName sw {sent['userName'][:-1]} and userName eq {sent['userName']}",
            f'meta.Created gt 2015-10-10T14:38:21.8617979-07:00 and emails.value eq "{mail}"',
        ):
            self.assertEqual(self.found(text), [made["id"]], text)

    def test_garbage_group(self):
        external = str(uuid.uuid4())
        group = self.group(externalId=external)
        self.assertNotIn("members", self.read("Groups", group["id"], excludedAttributes="members"))
        answer = self.put(f"/Groups/{group['id']}", {"id": group["id"], "displayName": self.name("Ortiz"), "externalId": str(uuid.uuid4()), "schemas": [GROUP]})
        self.assertEqual((answer.status, answer["displayName"][:5]), (200, "Ortiz"))

    def test_paging_of_two(self):
        self.user(), self.user(), self.user()
        answer = self.get("/Users", startIndex=1, count=2)
        self.assertEqual((answer["itemsPerPage"], len(self.listed(answer))), (2, 2))
        self.assertGreater(answer["totalResults"], 2)


class CollectionUnderRfc(Collection):
    """The same with a client of profile `rfc`, to whom a bare word is no string."""

    PROFILE = "rfc"

    def test_garbage_filters(self):
        self.refused(self.get("/Users", filter="name.FamilyName eq Employee"), 400, "invalidFilter")
