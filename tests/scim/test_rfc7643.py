"""RFC 7643: the core schema. One test for each thing that a client can see of what must be so."""

import base64
import re

from provider import CORE, ENTERPRISE, GROUP, NOBODY, PATCH, USER, Provider

WHOLE = {
    "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara", "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
    "displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://login.example.com/bjensen", "title": "Tour Guide", "userType": "Employee",
    "preferredLanguage": "en-US", "locale": "en-NZ", "timezone": "America/Los_Angeles", "active": True,
    "phoneNumbers": [{"value": "tel:+1-201-555-0123", "type": "work", "display": "desk", "primary": True}, {"value": "+64 21 555 0100", "type": "mobile"}],
    "ims": [{"value": "someaimhandle", "type": "aim"}],
    "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo", "primary": True}],
    "addresses": [
        {"formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA",
         "postalCode": "91608", "country": "US", "type": "work", "primary": True},
        {"locality": "Auckland", "country": "NZ", "type": "home"},
    ],
    "entitlements": [{"value": "https://example.com/entitlement/1", "display": "first", "type": "x"}],
    "x509Certificates": [],
    ENTERPRISE: {"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios", "division": "Theme Park", "department": "Tour Operations"},
}


class Representation(Provider):
    """§2, §3: attributes and resources."""

    def test_2_1_attribute_names_without_regard_to_case(self):
        """RFC 7643 §2.1: attribute names are case insensitive."""
        made = self.made(self.post("/Users", {"SCHEMAS": [USER], "USERNAME": self.name(), "Name": {"GIVENNAME": "G"}, "EMAILS": [{"VALUE": f"{self.name('m')}@example.com", "Type": "work"}]}))
        self.assertEqual((made["name"], made["emails"][0]["type"]), ({"givenName": "G"}, "work"))

    def test_2_1_schema_names_without_regard_to_case(self):
        """RFC 7643 §2.1, §10: URNs of schemas too, and the answer spells them as the RFC does."""
        made = self.made(self.post("/Users", {"schemas": [USER.upper(), ENTERPRISE.upper()], "userName": self.name(), ENTERPRISE.upper(): {"DEPARTMENT": "D"}}))
        self.assertEqual((sorted(made["schemas"]), made[ENTERPRISE]), (sorted([USER, ENTERPRISE]), {"department": "D"}))

    def test_2_3_2_booleans_are_booleans(self):
        """RFC 7643 §2.3.2: JSON true or false."""
        self.assertIs(self.user(active=True)["active"], True)
        self.assertIs(self.user(active=False)["active"], False)

    def test_2_3_5_times_are_date_times(self):
        """RFC 7643 §2.3.5: xsd:dateTime with date and time."""
        meta = self.user()["meta"]
        for name in ("created", "lastModified"):
            self.assertRegex(meta[name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")

    def test_2_3_6_binary_values_are_base64(self):
        """RFC 7643 §2.3.6: base64; what is not is refused."""
        octets = base64.b64encode(b"\x30\x03\x02\x01\x07").decode()
        user = {"schemas": [USER], "userName": self.name()}
        self.refused(self.post("/Users", user | {"x509Certificates": [{"value": "no base64 at all!"}]}), 400, "invalidValue")
        self.assertTrue(octets)

    def test_2_3_7_references_are_absolute(self):
        """RFC 7643 §2.3.7: $ref of a member is the URI of the resource, and can be read."""
        user = self.user()
        group = self.group(user)
        member, = self.read("Groups", group["id"])["members"]
        self.assertRegex(member["$ref"], r"^https?://")
        self.assertEqual(self.get(member["$ref"][member["$ref"].index("/scim"):])["id"], user["id"])

    def test_2_4_one_value_is_primary(self):
        """RFC 7643 §2.4: primary true must appear no more than once."""
        mail = self.name("primary")
        emails = [{"value": f"{mail}-{at}@example.com", "primary": True} for at in (1, 2)]
        self.refused(self.post("/Users", {"schemas": [USER], "userName": self.name(), "emails": emails}), 400, "invalidValue")

    def test_2_5_null_and_empty_are_unassigned(self):
        """RFC 7643 §2.5: null and an empty array are no value, and what has none is not shown as null."""
        made = self.post("/Users", {"schemas": [USER], "userName": self.name(), "title": None, "emails": [], "name": {"givenName": None}})
        self.made(made)
        self.assertFalse({"title", "emails", "name"} & set(made.body))
        self.assertNotIn("null", made.text)

    def test_2_5_null_in_a_replacement_clears(self):
        user = self.user(title="T", nickName="N")
        after = self.put(f"/Users/{user['id']}", user | {"title": None, "nickName": "N"})
        self.assertEqual((after.status, "title" in after.body, after["nickName"]), (200, False, "N"))

    def test_3_schemas_is_not_empty(self):
        """RFC 7643 §3: a non-empty array of what the representation has, without repetition."""
        for resource in (self.user(), self.group(), self.user(enterprise={"division": "D"})):
            self.assertTrue(resource["schemas"])
            self.assertEqual(len(resource["schemas"]), len(set(resource["schemas"])))

    def test_3_1_the_id_is_the_servers(self):
        """RFC 7643 §3.1: unique, not empty, never "bulkId", stable, and not changed by clients."""
        one, two = self.user(id="x"), self.user(id="x")
        self.assertNotEqual(one["id"], two["id"])
        self.assertNotIn("bulkId", one["id"])
        self.put(f"/Users/{one['id']}", one | {"id": two["id"]})
        self.assertEqual(self.read("Users", one["id"])["userName"], one["userName"])

    def test_3_1_the_external_id_is_the_clients(self):
        """RFC 7643 §3.1: set by the client, caseExact."""
        external = self.name("External-Id/")
        user = self.user(externalId=external)
        self.assertEqual(user["externalId"], external)
        self.assertEqual(self.found(f'externalId eq "{external}"'), [user["id"]])
        self.assertEqual(self.found(f'externalId eq "{external.lower()}"'), [])

    def test_3_1_an_external_id_is_one_clients_own(self):
        """RFC 7643 §3.1: it is interpreted as scoped to the domain of the client that gave it."""
        external = self.name("shared")
        mine = self.user(externalId=external)
        other = self.client("okta")
        theirs = other.ask("POST", "/Users", {"schemas": [USER], "userName": self.name(), "externalId": external})
        self.made(theirs)
        self.assertEqual(self.found(f'externalId eq "{external}"'), [mine["id"]])
        found = other.ask("GET", "/Users", filter=f'externalId eq "{external}"')
        self.assertEqual([user["id"] for user in self.listed(found)], [theirs.id])

    def test_3_1_meta(self):
        """RFC 7643 §3.1: resourceType, created, lastModified, location and version."""
        for kind, resource in (("User", self.user()), ("Group", self.group())):
            meta = resource["meta"]
            self.assertEqual(meta["resourceType"], kind)
            self.assertLessEqual(meta["created"], meta["lastModified"])
            self.assertTrue(meta["location"].endswith(f"/{kind}s/{resource['id']}"))
            self.assertRegex(meta["version"], r'^W/"[^"]+"$')


class Users(Provider):
    """§4.1, §4.3, §8: users."""

    def test_4_1_every_attribute_is_kept(self):
        """RFC 7643 §4.1, §4.3: what is sent is what is read, by POST and by PUT."""
        mail = self.name("whole")
        sent = {name: value for name, value in WHOLE.items() if name != "x509Certificates"}
        sent = sent | {"emails": [{"value": f"{mail}@example.com", "type": "work", "primary": True, "display": "Work"}, {"value": f"{mail}@jensen.example", "type": "home"}]}
        sent.pop("entitlements")
        enterprise = sent.pop(ENTERPRISE)
        user = self.user(enterprise=enterprise, **sent)
        for name, value in (sent | {ENTERPRISE: enterprise}).items():
            self.assertEqual(user[name], value, name)
        self.assertEqual(self.read("Users", user["id"]), user)
        after = self.put(f"/Users/{user['id']}", user)
        self.assertEqual({name: value for name, value in after.body.items() if name != "meta"}, {name: value for name, value in user.items() if name != "meta"})

    def test_4_1_the_user_name_is_required_and_unique(self):
        """RFC 7643 §4.1.1: required, not empty, unique, without regard to case."""
        user = self.user()
        self.refused(self.post("/Users", {"schemas": [USER], "userName": user["userName"].upper()}), 409, "uniqueness")
        self.refused(self.post("/Users", {"schemas": [USER], "displayName": "x"}), 400, "invalidValue")

    def test_4_1_the_password_is_never_returned(self):
        """RFC 7643 §4.1.1, §7: writeOnly, returned never."""
        user = self.user(password="Correct-Horse-7-Battery")
        path = f"/Users/{user['id']}"
        answers = (
            self.get(path), self.get("/Users", filter=f'id eq "{user["id"]}"'),
            self.put(path, user | {"password": "Correct-Horse-8-Battery"}), self.patch(path, {"op": "replace", "path": "password", "value": "Correct-Horse-9-Battery"}),
        )
        for answer in answers:
            self.assertLess(answer.status, 300, answer)
            for word in ("password", "Battery", "argon"):
                self.assertNotIn(word, answer.text)

    def test_4_1_2_canonical_types_are_suggestions(self):
        """RFC 7643 §7: canonicalValues are suggested; others are taken (scim.md 1.2)."""
        mail = f"{self.name('t')}@example.com"
        self.assertEqual(self.user(emails=[{"value": mail, "type": "Proxy"}])["emails"][0]["type"], "Proxy")

    def test_4_1_2_groups_are_read_only(self):
        """RFC 7643 §4.1.2: changes are made by the group; direct and indirect are told apart."""
        user = self.user()
        group = self.group(user)
        outer = self.made(self.post("/Groups", {"schemas": [GROUP], "displayName": self.name("outer"), "members": [{"value": group["id"], "type": "Group"}]}))
        held = {group["value"]: group for group in self.read("Users", user["id"])["groups"]}
        self.assertEqual({value: held[value]["type"] for value in held}, {group["id"]: "direct", outer["id"]: "indirect"})
        self.assertEqual(held[group["id"]]["display"], group["displayName"])
        self.refused(self.patch(f"/Users/{user['id']}", {"op": "remove", "path": "groups"}), 400, "mutability")

    def test_4_1_2_certificates(self):
        """RFC 7643 §4.1.2: x509Certificates is DER in base64."""
        import subprocess

        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=x", "-outform", "DER", "-keyout", "/dev/null"],
            capture_output=True, check=True,
        )
        value = base64.b64encode(made.stdout).decode()
        user = self.user(x509Certificates=[{"value": value}])
        self.assertEqual(user["x509Certificates"][0]["value"], value)


class Groups(Provider):
    """§4.2: groups."""

    def test_4_2_the_display_name_is_required(self):
        self.refused(self.post("/Groups", {"schemas": [GROUP]}), 400, "invalidValue")

    def test_4_2_members(self):
        """RFC 7643 §4.2: value, $ref and type of each; users and groups."""
        user, inner = self.user(), self.group()
        group = self.made(self.post("/Groups", {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"value": user["id"]}, {"value": inner["id"]}]}))
        held = {member["value"]: member for member in self.read("Groups", group["id"])["members"]}
        self.assertEqual({value: held[value]["type"] for value in held}, {user["id"]: "User", inner["id"]: "Group"})
        self.assertTrue(held[inner["id"]]["$ref"].endswith(f"/Groups/{inner['id']}"))

    def test_4_2_a_member_given_twice_is_one(self):
        """RFC 7643 §2.4: values should not repeat."""
        user = self.user()
        group = self.made(self.post("/Groups", {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"value": user["id"]}] * 2}))
        self.assertEqual(self.members(group), [user["id"]])

    def test_4_2_the_parts_of_a_member_are_immutable(self):
        """RFC 7643 §8.7.1: value, $ref and type of a member are immutable."""
        one, two = self.user(), self.user()
        group = self.group(one)
        answer = self.patch(f"/Groups/{group['id']}", {"op": "replace", "path": f'members[value eq "{one["id"]}"].value', "value": two["id"]})
        self.refused(answer, 400, "mutability")
        self.assertEqual(self.members(group), [one["id"]])


class Schemas(Provider):
    """§7, §8.7: what /Schemas says, and that it is so."""

    def attributes(self):
        """Each attribute of each schema with its path."""
        for schema in self.listed(self.get("/Schemas")):
            for attribute in schema["attributes"]:
                yield schema["id"], attribute["name"], attribute
                for sub in attribute.get("subAttributes", []):
                    yield schema["id"], f"{attribute['name']}.{sub['name']}", sub

    def test_7_every_attribute_has_its_characteristics(self):
        """RFC 7643 §7."""
        types = {"string", "boolean", "decimal", "integer", "dateTime", "reference", "complex", "binary"}
        for schema, path, attribute in self.attributes():
            told = f"{schema} {path}"
            self.assertIn(attribute["type"], types, told)
            self.assertRegex(attribute["name"], r"^(\$ref|[A-Za-z][-\w]*)$", told)
            for name in ("multiValued", "required"):
                self.assertIs(type(attribute[name]), bool, told)
            self.assertIn(attribute["mutability"], {"readOnly", "readWrite", "immutable", "writeOnly"}, told)
            self.assertIn(attribute["returned"], {"always", "never", "default", "request"}, told)
            self.assertTrue(attribute["description"], told)
            self.assertEqual(attribute["type"] == "complex", "subAttributes" in attribute, told)
            if attribute["type"] == "reference":
                self.assertTrue(attribute["referenceTypes"], told)
            if attribute["type"] == "string":
                self.assertIs(type(attribute["caseExact"]), bool, told)

    def test_2_3_8_complex_attributes_are_not_nested(self):
        """RFC 7643 §2.3.8: no complex sub-attributes."""
        for schema, path, attribute in self.attributes():
            if "." in path:
                self.assertNotEqual(attribute["type"], "complex", f"{schema} {path}")

    def test_8_7_1_the_core_schemas_are_whole(self):
        """RFC 7643 §8.7.1: the attributes of User, Group and EnterpriseUser, with the characteristics that matter to clients."""
        held = {(schema, path): attribute for schema, path, attribute in self.attributes()}
        user = "userName name displayName nickName profileUrl title userType preferredLanguage locale timezone active password emails phoneNumbers ims photos addresses groups entitlements roles x509Certificates"
        for path in user.split():
            self.assertIn((USER, path), held)
        for path in ("displayName", "members", "members.value", "members.$ref", "members.type"):
            self.assertIn((GROUP, path), held)
        for path in "employeeNumber costCenter organization division department manager manager.value manager.$ref manager.displayName".split():
            self.assertIn((ENTERPRISE, path), held)
        told = {path: (held[USER, path]["required"], held[USER, path]["mutability"], held[USER, path]["returned"], held[USER, path].get("uniqueness")) for path in ("userName", "password", "groups")}
        self.assertEqual(told["userName"], (True, "readWrite", "default", "server"))
        self.assertEqual(told["password"][1:3], ("writeOnly", "never"))
        self.assertEqual(told["groups"][1], "readOnly")
        self.assertEqual(held[GROUP, "members.value"]["mutability"], "immutable")

    def test_7_read_only_attributes_are_refused_in_a_patch(self):
        """RFC 7643 §7: readOnly, of each attribute that /Schemas lists so (HE3)."""
        user, group = self.user(), self.group()
        for schema, path, attribute in self.attributes():
            if attribute["mutability"] != "readOnly" or schema not in (USER, ENTERPRISE, GROUP):
                continue
            target = f"/Groups/{group['id']}" if schema == GROUP else f"/Users/{user['id']}"
            answer = self.patch(target, {"op": "replace", "path": f"{schema}:{path}", "value": "x"})
            self.refused(answer, 400)

    def test_6_resource_types_name_their_extensions(self):
        """RFC 7643 §6: User has the enterprise extension, which is not required."""
        types = {kind["name"]: kind for kind in self.listed(self.get("/ResourceTypes"))}
        self.assertEqual((types["User"]["endpoint"], types["User"]["schema"], types["Group"]["endpoint"], types["Group"]["schema"]), ("/Users", USER, "/Groups", GROUP))
        self.assertIn({"schema": ENTERPRISE, "required": False}, types["User"]["schemaExtensions"])
