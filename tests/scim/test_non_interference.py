"""HC5: what a client of one organisation is answered says nothing of another organisation.

A trace of questions is asked before and while the other organisation changes, and must be answered octet for octet alike. A
trace of own changes is made on two servers, beside only one of which another organisation changes; ids, times and versions,
which each server makes for itself, are told by when they first came. `HEADCOUNT_LONG` asks 10^5 of each.
"""

import json
import os
import random
import re
import threading

import ldap
from demo import Demo, headcount
from provider import ENTERPRISE, GROUP, PATCH, SEARCH, USER, Client, Provider

QUESTIONS, CHANGES = (100_000, 100_000) if "HEADCOUNT_LONG" in os.environ else (1_500, 600)
SEED = int(os.environ.get("HEADCOUNT_SEED", "20261123"))
OWN, OTHER = "Acme", "Other"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
VERSION = re.compile(r'W/[\\]*"[0-9a-f]{16}[\\]*"')
NAMES = [f"person{number}" for number in range(12)]
GROUPS = [f"team{number}" for number in range(4)]


class Beside:
    """A demo with an organisation to look from and, where it is asked for, another one."""

    def __init__(self, with_other):
        self.demo = Demo()
        self.directory = ldap.initialize(self.demo.ldap)
        self.directory.simple_bind_s(*self.demo.operator)
        suffix = self.demo.organisation.partition(",")[2]
        names = (OWN, OTHER) if with_other else (OWN,)
        for name in names:
            self.directory.add_s(f"o={name},{suffix}", [("objectClass", [b"organization", b"hcOrganisation"])])
        self.own, self.other = (self.client(f"o={name},{suffix}") if name in names else None for name in (OWN, OTHER))

    def client(self, organisation):
        command = ("--config", self.demo.facts["config"], "--json")
        minted = headcount(*command, "token", "mint", "--organisation", organisation, "trace")
        assert minted.returncode == 0, minted.stderr
        changed = headcount(*command, "client", "change", "--organisation", organisation, "trace", "--rate", "10000")
        assert changed.returncode == 0, changed.stderr
        return Client(self.demo.scim, json.loads(minted.stdout.splitlines()[0])["token"])

    def stop(self):
        self.directory.unbind_s()
        self.demo.stop()


def some_user(numbers):
    name = numbers.choice(NAMES)
    body = {"schemas": [USER, ENTERPRISE], "userName": name, "externalId": f"x-{name}", "displayName": name.title()}
    body["emails"] = [{"value": f"{numbers.choice(NAMES)}@example.com", "type": "work", "primary": True}]
    body[ENTERPRISE] = {"employeeNumber": str(numbers.randrange(9)), "department": numbers.choice(("Sales", "Books"))}
    return body


def some_filter(numbers, ids):
    kind = numbers.randrange(8)
    if kind == 0:
        return f'userName {numbers.choice(("eq", "sw", "co", "ne"))} "{numbers.choice(NAMES)}"'
    if kind == 1:
        return f'id eq "{numbers.choice(ids)}"'
    if kind == 2:
        return f'externalId eq "x-{numbers.choice(NAMES)}"'
    if kind == 3:
        return f'emails[type eq "work" and value eq "{numbers.choice(NAMES)}@example.com"]'
    if kind == 4:
        return f'displayName eq "{numbers.choice(GROUPS + NAMES)}"'
    if kind == 5:
        return f'not (active eq {numbers.choice(("true", "false"))}) or title pr'
    if kind == 6:
        return f'members[value eq "{numbers.choice(ids)}"]'
    return f'meta.resourceType eq "User" and ({some_filter(numbers, ids)})'


def some_question(numbers, ids):
    """Method, path, body and query."""
    path = numbers.choice(("/Users", "/Groups", "/", "/Sessions", f"/Users/{numbers.choice(ids)}", f"/Groups/{numbers.choice(ids)}"))
    query = {}
    if numbers.randrange(3):
        query["filter"] = some_filter(numbers, ids)
    if not numbers.randrange(3):
        query |= {"sortBy": numbers.choice(("userName", "meta.created", "displayName")), "sortOrder": numbers.choice(("ascending", "descending"))}
    if not numbers.randrange(3):
        query |= {"startIndex": numbers.randrange(-2, 9), "count": numbers.randrange(-1, 6)}
    if not numbers.randrange(4):
        query[numbers.choice(("attributes", "excludedAttributes"))] = numbers.choice(("userName", "groups", "members", "emails.value", "meta"))
    choice = numbers.randrange(12)
    if choice == 0 and path in ("/Users", "/Groups", "/"):
        return "POST", path.rstrip("/") + "/.search", {"schemas": [SEARCH], **query}, {}
    if choice == 1:
        return "GET", numbers.choice(("/ServiceProviderConfig", "/ResourceTypes", "/Schemas")), None, {}
    return "GET", path, None, query


def some_change(numbers, ids):
    ident = numbers.choice(ids)
    kind = numbers.randrange(10)
    if kind < 3:
        return "POST", "/Users", some_user(numbers), {}
    if kind == 3:
        return "POST", "/Groups", {"schemas": [GROUP], "displayName": numbers.choice(GROUPS), "members": [{"value": ident}]}, {}
    if kind == 4:
        return "PUT", f"/Users/{ident}", some_user(numbers), {}
    if kind == 5:
        operations = [{"op": "replace", "path": "active", "value": bool(numbers.randrange(2))}]
        return "PATCH", f"/Users/{ident}", {"schemas": [PATCH], "Operations": operations}, {}
    if kind == 6:
        operations = [{"op": numbers.choice(("add", "remove")), "path": "members", "value": [{"value": numbers.choice(ids)}]}]
        return "PATCH", f"/Groups/{ident}", {"schemas": [PATCH], "Operations": operations}, {}
    if kind == 7:
        return "DELETE", f"/{numbers.choice(('Users', 'Groups'))}/{ident}", None, {}
    if kind == 8:
        operations = [{"op": "add", "path": "emails", "value": some_user(numbers)["emails"]}]
        return "PATCH", f"/Users/{ident}", {"schemas": [PATCH], "Operations": operations}, {}
    return some_question(numbers, ids)


def said(answer):
    """All that an answer says, but for what belongs to the request alone."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status, sorted(headers.items()), answer.text


class Seen:
    """Ids, times and versions by when they first came, so that two servers' answers can be held together."""

    def __init__(self, base):
        self.base, self.ids = base, {}

    def told(self, answer):
        status, headers, text = said(answer)
        headers = [(name, value) for name, value in headers if name not in ("content-length",)]
        text = json.dumps([status, headers, text]).replace(self.base, "BASE")
        text = VERSION.sub("VERSION", TIME.sub("TIME", text))
        return UUID.sub(lambda found: f"#{self.ids.setdefault(found.group(), len(self.ids))}", text)


class Interference:
    """Changes of the other organisation that use the names of the own one, as long as it lasts."""

    def __init__(self, other):
        self.other, self.stopping, self.made = other, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        numbers, ids = random.Random(SEED + 1), ["00000000-0000-4000-8000-000000000000"]
        while not self.stopping.is_set():
            method, path, body, query = some_change(numbers, ids)
            answer = self.other.ask(method, path, body, **query)
            assert answer.status < 500, answer
            if method == "POST" and answer.status == 201:
                ids.append(answer.id)
                self.made += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


class NonInterference(Provider):
    def test_hc5_questions_are_answered_alike_while_another_organisation_changes(self):
        beside = Beside(with_other=True)
        self.addCleanup(beside.stop)
        numbers = random.Random(SEED)
        foreign = [beside.other.ask("POST", "/Users", some_user(numbers)) for _ in range(20)]
        own = [beside.own.ask("POST", "/Users", some_user(numbers)) for _ in range(20)]
        ids = [answer.id for answer in own + foreign if answer.status == 201]
        team = beside.own.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": GROUPS[0], "members": [{"value": ids[0]}]})
        self.assertEqual(team.status, 201, team)
        ids.append(team.id)
        trace = [some_question(numbers, ids) for _ in range(QUESTIONS // 2)]
        ask = lambda question: beside.own.ask(*question[:3], **question[3])
        before = [said(ask(question)) for question in trace]
        self.assertGreater(sum(status == 200 for status, _, _ in before), len(trace) // 3)
        with Interference(beside.other) as interference:
            for question, answer in zip(trace, before):
                self.assertEqual(said(ask(question)), answer, question)
        self.assertGreater(interference.made, 5)

    def test_hc5_own_changes_end_alike_beside_another_organisation(self):
        pair = Beside(with_other=True), Beside(with_other=False)
        for one in pair:
            self.addCleanup(one.stop)
        seen = [Seen(one.demo.scim) for one in pair]
        ids = [["00000000-0000-4000-8000-000000000000"], ["00000000-0000-4000-8000-000000000000"]]
        made = 0
        with Interference(pair[0].other):
            for number in range(CHANGES):
                told = []
                for one, names, of in zip(pair, seen, ids):
                    method, path, body, query = some_change(random.Random(SEED + 7 * number), of)
                    answer = one.own.ask(method, path, body, **query)
                    told.append(names.told(answer))
                    if method == "POST" and answer.status == 201:
                        of.append(answer.id)
                        made += 1
                self.assertEqual(told[0], told[1], (number, path))
        self.assertGreater(made, 10)
