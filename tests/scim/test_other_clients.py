"""Clients and checkers of SCIM that are not ours, as their users run them."""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import typing
from unittest import mock

import httpx2
from provider import Provider
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import NotFoundException, PatchOp, PatchOperation, SearchRequest
from scim2_tester import Status, check_server, filling
from scim_client import SCIMClient

# What people write is about somebody, whom it would have to know.
CONTENT = {"Note", "Todo", "Communication"}
# What the tester finds and no server of this schema can do otherwise, by type and what the finding says.
KNOWN = {
    # `members` and `memberships` show the same members. The tester adds to one after the other and expects to find in each
    # what it has added there alone; and it looks for `memberships`, returned on request, in answers that were not asked for it.
    "Group": lambda result: isinstance(result.data, dict) and str(result.data.get("urn")).startswith(GROUP) and "patch" in str(result.tags),
    # Seats are asked for when a user is made, and are no client's to give (U3).
    "User": lambda result: isinstance(result.data, dict) and str(result.data.get("urn")).endswith(SEATS) and "patch" in str(result.tags),
    # A membership is what binds two resources that have an externalId each; it has none, and what is sent is not kept. A query of
    # the base goes over users, groups and staff (docs/scim.md).
    "Membership": lambda result: "'externalId'" in result.reason or (
        result.title == "search_with_attributes" and "could not find Membership" in result.reason),
}
GROUP = "urn:headcount:scim:schemas:extension:1.0:Group"
SEATS = "increaseSessionLimit"
# Types that are listed to be read: the tester would create what it finds, and they answer 405.
READ_ONLY = {"Session", "Role", "Package", "Licence", "Entitlement"}


made_up = filling.generate_random_value


def made_up_with_targets(context, path, mutability=None, required=None):
    """Of what refers to a resource the tester makes up an id, unless it may send the URI too: then it makes a resource. It asks for no
    seats, which are not its to give."""
    if str(path).endswith(SEATS):
        return None
    binding = path.resolve()
    fields = getattr(binding.target_type, "model_fields", {}) if binding else {}
    return made_up(context, path=path, mutability=mutability, required=None if "ref" in fields else required)


class Checkers(Provider):
    """What looks for faults, and does not wait where it is told to."""

    def setUp(self):
        super().setUp()
        self.provider = self.client("rfc", rate="10000")

    def scim2(self):
        headers = {"Authorization": self.provider.authorization}
        client = SyncSCIMClient(httpx2.Client(base_url=self.demo.scim, headers=headers, timeout=30))
        client.discover()
        # It has no times of its own to draw from, and would send any text where a time is wanted.
        for model in client.resource_models:
            for field in model.model_fields.values():
                if datetime.datetime in typing.get_args(field.annotation):
                    field.examples = [datetime.datetime(2026, 4, 1, 9, 30, tzinfo=datetime.timezone.utc)]
        return client

    def examined(self, kind, at_least):
        with mock.patch.object(filling, "generate_random_value", made_up_with_targets):
            results = check_server(self.scim2(), resource_types=[kind])
        failed = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
        wrong = [result for result in failed if not KNOWN.get(kind, lambda _: False)(result)]
        self.assertFalse(wrong, "\n".join(f"{result.title} {result.resource_type}: {result.reason} {result.data!r}" for result in wrong))
        self.assertGreater(len(results), at_least, "it has looked at a good many things")

    def test_scim2_tester_on_users(self):
        self.examined("User", 30)

    def test_scim2_tester_on_groups(self):
        self.examined("Group", 15)

    def test_scim2_tester_on_every_other_type_that_can_be_made(self):
        kinds = {kind["name"] for kind in self.listed(self.get("/ResourceTypes"))} - READ_ONLY - CONTENT - {"User", "Group"}
        for kind in sorted(kinds):
            with self.subTest(kind):
                self.examined(kind, 10)

    def sanity(self, *more):
        tool = pathlib.Path(sys.executable).parent / "scim-sanity"
        token = self.provider.authorization.removeprefix("Bearer ")
        command = [tool, "probe", self.demo.scim, "--token", token, "--json-output", "--i-accept-side-effects", *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"NO_COLOR": "1"})
        self.assertTrue(done.stdout.strip(), done.stderr)
        return done, json.loads(done.stdout[done.stdout.index("{"):])


class Scim2Client(Provider):
    """scim2-client, which reads answers with models that forbid what no schema names."""

    def setUp(self):
        super().setUp()
        headers = {"Authorization": self.provider.authorization}
        self.scim = SyncSCIMClient(httpx2.Client(base_url=self.demo.scim, headers=headers, timeout=30))
        self.scim.discover()
        self.model = self.scim.get_resource_model("User")

    def person(self, **more):
        return self.model(user_name=self.name("scim2"), name={"givenName": "G", "familyName": "F"}, **more)

    def test_the_life_of_a_user(self):
        made = self.scim.create(self.person(title="T"))
        self.assertTrue(made.id)
        read = self.scim.query(self.model, made.id)
        self.assertEqual((read.user_name, read.title), (made.user_name, "T"))
        read.title = "U"
        self.assertEqual(self.scim.replace(read).title, "U")
        operation = PatchOperation(op=PatchOperation.Op.replace_, path="title", value="V")
        self.scim.modify(self.model, made.id, PatchOp[self.model](operations=[operation]))
        self.assertEqual(self.scim.query(self.model, made.id).title, "V")
        found = self.scim.query(self.model, query_parameters=SearchRequest(filter=f'userName eq "{made.user_name}"'))
        self.assertEqual([user.id for user in found.resources], [made.id])
        self.assertIsNone(self.scim.delete(self.model, made.id))
        with self.assertRaises(NotFoundException):
            self.scim.query(self.model, made.id)

    def test_the_life_of_a_group(self):
        user = self.scim.create(self.person())
        group = self.scim.get_resource_model("Group")
        made = self.scim.create(group(display_name=self.name("group")))
        operation = PatchOperation(op=PatchOperation.Op.add, path="members", value=[{"value": user.id}])
        self.scim.modify(group, made.id, PatchOp[group](operations=[operation]))
        self.assertEqual([member.value for member in self.scim.query(group, made.id).members], [user.id])
        self.assertEqual([held.value for held in self.scim.query(self.model, user.id).groups], [made.id])
        operation = PatchOperation(op=PatchOperation.Op.remove, path=f'members[value eq "{user.id}"]')
        self.scim.modify(group, made.id, PatchOp[group](operations=[operation]))
        self.assertFalse(self.scim.query(group, made.id).members)
        self.assertIsNone(self.scim.delete(group, made.id))


class PlainClient(Provider):
    """scim-client, which knows users alone and speaks application/json."""

    def setUp(self):
        super().setUp()
        self.scim = SCIMClient(self.demo.scim, self.provider.authorization.removeprefix("Bearer "), verify_ssl=False)

    def test_the_life_of_a_user(self):
        from scim_client.resources import User as Person

        name = self.name("plain")
        sent = Person(
            id="", external_id=name, user_name=name, active=True, display_name="P", name={"given_name": "G", "family_name": "F"},
            emails=[{"value": f"{name}@example.com", "type": "work", "primary": True}],
        )
        made = self.scim.create_user(sent)
        self.assertEqual(self.scim.read_user(made.id).user_name, made.user_name)
        found = self.scim.search_users(f'userName eq "{made.user_name}"')
        self.assertEqual([user.id for user in found.resources], [made.id])
        made.display_name = "Q"
        self.assertEqual(self.scim.update_user(made).display_name, "Q")
        self.scim.delete_user(made.id)
        self.refused(self.get(f"/Users/{made.id}"), 404)
