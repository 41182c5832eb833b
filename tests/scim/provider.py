"""What the suites of this tree share: a demo for each file, and a client of each profile as an identity provider is.

A test's docstring names the section or row it shows. Requests that are told to come later (429) do.
"""

import http.client
import itertools
import json
import ssl
import time
import unittest
import urllib.parse

from demo import Demo, headcount

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
USER, GROUP = CORE + "User", CORE + "Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
PATCH, LIST, ERROR, SEARCH, BULK = (MESSAGES + name for name in ("PatchOp", "ListResponse", "Error", "SearchRequest", "BulkRequest"))
MEDIA_TYPE = "application/scim+json"
NOBODY = "00000000-0000-4000-8000-000000000000"
PATIENCE = 30


class Answer:
    """What came back: `status`, `headers` by lower-case name, `text`, and `body` where the text is JSON."""

    def __init__(self, request, response):
        self.request, self.status = request, response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = response.read().decode()
        self.body = json.loads(self.text) if self.text else None

    def __repr__(self):
        return f"{self.request} -> {self.status} {self.text[:2000]}"

    def __getitem__(self, name):
        return self.body[name]

    @property
    def id(self):
        return self.body["id"]


class Client:
    """A provisioning client with a token. It keeps its connection."""

    def __init__(self, base, token):
        self.base, self.authorization = urllib.parse.urlsplit(base), f"Bearer {token}"
        self.connection = None

    def _open(self):
        if self.base.scheme == "https":
            return http.client.HTTPSConnection(self.base.netloc, timeout=PATIENCE, context=ssl._create_unverified_context())
        return http.client.HTTPConnection(self.base.netloc, timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None, **query):
        """One request. `path` is under the base; `body` is JSON, or octets as they are; headers that are None are left out."""
        target = path if path.startswith("/scim") else self.base.path + path
        if query:
            target += "?" + urllib.parse.urlencode(query)
        octets = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        sent = {"Authorization": self.authorization, "Accept": MEDIA_TYPE}
        if octets is not None:
            sent["Content-Type"] = MEDIA_TYPE
        sent = {name: value for name, value in (sent | (headers or {})).items() if value is not None}
        for _ in range(20):
            answer = self._once(method, target, octets, sent)
            if answer.status != 429:
                break
            time.sleep(min(float(answer.headers["retry-after"]), 5))
        return answer

    def _once(self, method, target, octets, headers):
        told = f"{method} {target} {(octets or b'').decode(errors='replace')[:2000]}"
        for last in (False, True):
            self.connection = self.connection or self._open()
            try:
                self.connection.request(method, target, octets, headers)
                return Answer(told, self.connection.getresponse())
            except (http.client.RemoteDisconnected, ConnectionError):
                # An idle connection may have been closed by the server meanwhile.
                self.close()
                if last:
                    raise

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


class Provider(unittest.TestCase):
    """A suite. All classes of a file share a demo. `PROFILE` is how its client is read."""

    maxDiff = 4000
    PROFILE = "rfc"
    _demos, _clients = {}, {}
    _numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        if cls.__module__ not in cls._demos:
            cls._end()
            cls._demos[cls.__module__] = Demo()
        cls.demo = cls._demos[cls.__module__]

    @classmethod
    def _end(cls):
        for client in cls._clients.values():
            client.close()
        cls._clients.clear()
        while cls._demos:
            cls._demos.popitem()[1].stop()

    @classmethod
    def command(cls, *arguments):
        """A command on the organisation of the demo; what it answers as JSON."""
        done = headcount("--config", cls.demo.facts["config"], "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @classmethod
    def token(cls, profile, **settings):
        """A token of a new client with this profile; `settings` are options of `headcount client add`."""
        name = f"{profile}-{next(cls._numbers)}"
        options = [word for option, value in settings.items() for word in ("--" + option.replace("_", "-"), value)]
        cls.command("client", "add", "--organisation", cls.demo.organisation, "--profile", profile, *options, name)
        return cls.command("token", "mint", "--organisation", cls.demo.organisation, name)[0]["token"]

    @classmethod
    def client(cls, profile, **settings):
        """The client of this profile and these settings. All that a file makes with one is its own (HE2)."""
        key = (cls.__module__, profile, *sorted(settings.items()))
        if key not in cls._clients:
            cls._clients[key] = Client(cls.demo.scim, cls.token(profile, **settings))
        return cls._clients[key]

    def setUp(self):
        self.provider = self.client(self.PROFILE)

    # Requests -----------------------------------------------------------------------------------------------------------

    def ask(self, *arguments, **more):
        return self.provider.ask(*arguments, **more)

    def get(self, path, **query):
        return self.ask("GET", path, **query)

    def post(self, path, body, **query):
        return self.ask("POST", path, body, **query)

    def put(self, path, body, **query):
        return self.ask("PUT", path, body, **query)

    def patch(self, path, *operations, **query):
        """A PATCH with these operations."""
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **query)

    def delete(self, path, **query):
        return self.ask("DELETE", path, **query)

    # What is there ------------------------------------------------------------------------------------------------------

    def name(self, stem="user"):
        """A name that nobody has."""
        return f"{stem}-{next(self._numbers)}"

    def user(self, **more):
        """Makes a user and answers the resource. `enterprise` are attributes of the extension."""
        body = {"schemas": [USER], "userName": self.name()}
        if "enterprise" in more:
            body["schemas"] = [USER, ENTERPRISE]
            body[ENTERPRISE] = more.pop("enterprise")
        return self.made(self.post("/Users", body | more))

    def group(self, *members, **more):
        """Makes a group of these users and answers the resource."""
        body = {"schemas": [GROUP], "displayName": self.name("group")}
        if members:
            body["members"] = [{"value": member["id"]} for member in members]
        return self.made(self.post("/Groups", body | more))

    def read(self, kind, ident, **query):
        """The resource as it is now."""
        answer = self.get(f"/{kind}/{ident}", **query)
        self.assertEqual(answer.status, 200, answer)
        return answer.body

    def members(self, group):
        """The ids of the members, sorted."""
        return sorted(member["value"] for member in self.read("Groups", group["id"]).get("members", []))

    # What must be so ----------------------------------------------------------------------------------------------------

    def made(self, answer):
        self.assertEqual(answer.status, 201, answer)
        return answer.body

    def done(self, answer):
        """200 with a body or 204 without one, as RFC 7644 leaves it to the server."""
        self.assertIn(answer.status, (200, 204), answer)
        self.assertEqual(answer.status == 200, bool(answer.text), answer)
        return answer

    def refused(self, answer, status, kind=None):
        """An error in the form of RFC 7644 §3.12."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer["schemas"], [ERROR], answer)
        self.assertEqual(answer["status"], str(status), answer)
        self.assertTrue(answer["detail"], answer)
        if kind:
            self.assertEqual(answer.body.get("scimType"), kind, answer)
        return answer

    def listed(self, answer):
        """The resources of a ListResponse."""
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer["schemas"], [LIST], answer)
        self.assertIs(type(answer["totalResults"]), int, answer)
        resources = answer.body.get("Resources", [])
        self.assertLessEqual(len(resources), answer["totalResults"], answer)
        return resources

    def found(self, text, path="/Users", **query):
        """The ids of what a filter finds, sorted."""
        return sorted(resource["id"] for resource in self.listed(self.get(path, filter=text, **query)))

    def value(self, resource, kind, name="value", attribute="emails"):
        """What the element of this type holds."""
        held = [element for element in resource.get(attribute, []) if element.get("type") == kind]
        self.assertEqual(len(held), 1, resource)
        return held[0].get(name)
