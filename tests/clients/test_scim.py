"""SCIM by curl, as a shell script would."""

import unittest

import ldap
import ldap.dn

from demo import Demo

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)

    def user(self, name, **more):
        emails = [{"value": f"{name}@example.com", "type": "work", "primary": True}]
        body = {"schemas": [USER], "userName": name, "name": {"givenName": name.title(), "familyName": "Example"}, "emails": emails}
        status, headers, made = self.demo.curl("POST", "/Users", body | more)
        self.assertEqual(status, 201, made)
        self.assertEqual(headers["location"], made["meta"]["location"])
        return made

    def patch(self, path, *operations, expect=200):
        status, _, answer = self.demo.curl("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
        self.assertEqual(status, expect, answer)
        return answer

    def entry(self, mail):
        return self.found(f"(mail={mail})")

    def found(self, search):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        return connection.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, search, ["*", "+"])

    def test_user_life(self):
        made = self.user("wanda", externalId="x-1", active=True)
        path = f"/Users/{made['id']}"
        self.assertNotIn("password", made)
        (dn, entry), = self.entry("wanda@example.com")
        self.assertEqual((entry["sn"], entry["givenName"]), ([b"Example"], [b"Wanda"]))

        self.assertEqual(self.demo.curl("POST", "/Users", {"schemas": [USER], "userName": "WANDA"})[0], 409)
        status, _, listed = self.demo.curl("GET", "/Users?filter=userName%20eq%20%22Wanda%22")
        self.assertEqual((status, listed["totalResults"], listed["Resources"][0]["id"]), (200, 1, made["id"]))

        self.patch(path, {"op": "replace", "path": "name.familyName", "value": "Other"})
        self.assertEqual(self.entry("wanda@example.com")[0][1]["sn"], [b"Other"], "LDAP sees it at once")
        phone = {"op": "add", "path": "phoneNumbers", "value": [{"value": "+64 9 555 0100", "type": "work"}]}
        self.patch(path, phone)
        self.assertEqual(self.entry("wanda@example.com")[0][1]["telephoneNumber"], [b"+64 9 555 0100"])
        answer = self.patch(path, {"op": "remove", "path": 'phoneNumbers[type eq "work"]'})
        self.assertNotIn("phoneNumbers", answer)
        self.patch(path, {"op": "replace", "path": "id", "value": "mine"}, expect=400)

        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        connection.modify_s(dn, [(ldap.MOD_REPLACE, "givenName", [b"Wendy"])])
        status, headers, read = self.demo.curl("GET", path)
        self.assertEqual((status, read["name"]["givenName"]), (200, "Wendy"), "SCIM sees a change by LDAP at once")
        tag = headers["etag"]
        self.assertEqual(tag, read["meta"]["version"])
        self.assertEqual(self.demo.curl("GET", path, None, "-H", f"If-None-Match: {tag}")[0], 304)
        replacement = {**read, "displayName": "W."}
        self.assertEqual(self.demo.curl("PUT", path, replacement, "-H", f"If-Match: {tag}")[0], 200)
        self.assertEqual(self.demo.curl("PUT", path, replacement, "-H", f"If-Match: {tag}")[0], 412)

        self.assertEqual(self.demo.curl("DELETE", path)[0], 204)
        self.assertEqual(self.demo.curl("GET", path)[0], 404)
        self.assertEqual(self.demo.curl("DELETE", path)[0], 404)
        self.assertEqual(self.entry("wanda@example.com"), [])

    def test_group_life(self):
        one, two = self.user("one"), self.user("two")
        body = {"schemas": [GROUP], "displayName": "Pair", "members": [{"value": one["id"]}]}
        status, _, made = self.demo.curl("POST", "/Groups", body)
        self.assertEqual(status, 201, made)
        path = f"/Groups/{made['id']}"
        for name in (b"groupOfNames", b"groupOfUniqueNames"):
            (_, entry), = self.found(f"(&(objectClass={name.decode()})(cn=Pair))")
            self.assertIn(name, entry["objectClass"], "as sssd asks")
        self.patch(path, {"op": "Add", "path": "members", "value": [{"$ref": None, "value": two["id"]}]})
        members = self.demo.curl("GET", path)[2]["members"]
        self.assertEqual({m["value"] for m in members}, {one["id"], two["id"]})
        (dn, entry), = self.entry("two@example.com")
        self.assertEqual(len(entry["memberOf"]), 1)
        self.patch(path, {"op": "remove", "path": f'members[value eq "{one["id"]}"]'})
        self.assertEqual([m["value"] for m in self.demo.curl("GET", path)[2]["members"]], [two["id"]])
        self.assertEqual(self.demo.curl("DELETE", f"/Users/{two['id']}")[0], 204)
        self.assertFalse(self.demo.curl("GET", path)[2].get("members"), "who is deleted is a member of nothing")
        self.assertEqual(self.demo.curl("DELETE", path)[0], 204)

    def test_filters_and_pages(self):
        for at in range(7):
            self.user(f"paged{at}", title="Boss" if at % 2 else "Clerk")
        def ids(query):
            status, _, listed = self.demo.curl("GET", f"/Users?{query}")
            self.assertEqual(status, 200, listed)
            return listed["totalResults"], [r["userName"] for r in listed.get("Resources", [])]
        self.assertEqual(ids("filter=userName%20sw%20%22paged%22&count=3")[0], 7)
        pages = [ids(f"filter=userName%20sw%20%22paged%22&count=3&startIndex={start}")[1] for start in (1, 4, 7)]
        self.assertEqual(([len(p) for p in pages], sorted(sum(pages, []))), ([3, 3, 1], [f"paged{at}" for at in range(7)]))
        self.assertEqual(ids("filter=title%20eq%20%22boss%22%20and%20not%20(userName%20eq%20%22paged1%22)")[0], 2)
        self.assertEqual(ids("filter=emails%5Btype%20eq%20%22work%22%20and%20value%20co%20%22paged3@%22%5D")[1], ["paged3"])
        self.assertEqual(ids("filter=userName%20sw%20%22paged%22&count=0"), (7, []))
        status, _, error = self.demo.curl("GET", "/Users?filter=userName%20eq")
        self.assertEqual((status, error["scimType"]), (400, "invalidFilter"))

    def test_without_a_token_there_is_nothing(self):
        for token in ("", "wrong", self.demo.token[:-1] + ("a" if self.demo.token[-1] != "a" else "b")):
            self.demo.token = token
            status, headers, error = self.demo.curl("GET", "/Users")
            self.assertEqual(status, 401)
            self.assertIn("www-authenticate", headers)

    def test_disabling_ends_sessions(self):
        dn, password = self.demo.users[0]
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(dn, password)
        uid = ldap.dn.str2dn(dn)[0][0][1]
        listed = self.demo.curl("GET", f"/Users?filter=userName%20eq%20%22{uid}%22")[2]
        self.patch("/Users/" + listed["Resources"][0]["id"], {"op": "Replace", "path": "active", "value": "False"})
        # The notice of disconnection says strongerAuthRequired (RFC 4511 §4.4.1), or the connection is gone already.
        with self.assertRaises((ldap.SERVER_DOWN, ldap.STRONG_AUTH_REQUIRED), msg="the connection of the disabled user goes on"):
            connection.whoami_s()
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            ldap.initialize(self.demo.ldap).simple_bind_s(dn, password)
