"""Filters and patches beside scim2-models, which read the RFCs and not us: the same users, the same questions, the same changes.

What is drawn is the same in every run; `HEADCOUNT_SEED` draws other cases, `HEADCOUNT_OPERATIONS` more of them."""

import json
import os
import random

from provider import ENTERPRISE, PATCH, USER, Provider
from scim2_models import EnterpriseUser, PatchOp, SCIMException, ScimFilter, User

Person = User[EnterpriseUser]
SEED = int(os.environ.get("HEADCOUNT_SEED", 20261123))
OPERATIONS = int(os.environ.get("HEADCOUNT_OPERATIONS", 600))

TEXTS = {
    "userName": (), "displayName": ("Ann", "ann b", "Zoe", "\u00c9mile", ""), "nickName": ("A", "b"), "title": ("Boss", "boss", "Clerk"), "userType": ("Intern", "Staff"),
    "name.familyName": ("Jensen", "O'Malley", "jensen"), "name.givenName": ("Bo", "Al"), f"{ENTERPRISE}:department": ("Tours", "R&D"), f"{ENTERPRISE}:employeeNumber": ("007", "42"),
    "externalId": ("X-1", "x-1"), "emails.value": ("a5@work.example", "Z@Home.example"), "emails.type": ("work", "Home"), "phoneNumbers.value": ("+64 9 1", "555"), "phoneNumbers.type": ("work", "mobile"),
    "addresses.locality": ("Auckland", "Paris"), "addresses.country": ("NZ", "FR"),
}
ELEMENTS = {"emails": ("value", "type", "display"), "phoneNumbers": ("value", "type"), "addresses": ("locality", "country", "type")}
OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "Co")


class Beside(Provider):
    def drawn_user(self, draw):
        """A user with some attributes, and some values of each."""
        at = draw.randrange(10**9)
        body = {"schemas": [USER, ENTERPRISE], "userName": self.name(draw.choice(("anna", "Bert", "zoe.x")))}
        for name in ("displayName", "nickName", "title", "userType"):
            if draw.random() < 0.6:
                body[name] = draw.choice(TEXTS[name])
        if draw.random() < 0.7:
            body["name"] = {part: draw.choice(TEXTS[f"name.{part}"]) for part in ("familyName", "givenName") if draw.random() < 0.7}
        if draw.random() < 0.5:
            body[ENTERPRISE] = {part: draw.choice(TEXTS[f"{ENTERPRISE}:{part}"]) for part in ("department", "employeeNumber") if draw.random() < 0.7}
        if draw.random() < 0.5:
            body["externalId"] = f"{draw.choice(TEXTS['externalId'])}-{at}"
        if draw.random() < 0.7:
            kinds = draw.sample(["work", "home", "other"], draw.randrange(1, 4))
            body["emails"] = [{"value": f"a{at}.{place}@{kind}.example", "type": kind} for place, kind in enumerate(kinds)]
            if draw.random() < 0.5:
                draw.choice(body["emails"])["primary"] = True
        if draw.random() < 0.5:
            body["phoneNumbers"] = [{"value": draw.choice(("+64 9 100", "555 0100", "+64 21 7")), "type": kind} for kind in draw.sample(["work", "mobile", "fax"], draw.randrange(1, 3))]
        if draw.random() < 0.5:
            body["addresses"] = [{"type": kind, "locality": draw.choice(("Auckland", "Paris")), "country": draw.choice(("NZ", "FR"))} for kind in draw.sample(["work", "home"], draw.randrange(1, 3))]
        body["active"] = draw.random() < 0.7
        return body

    def condition(self, draw, names, within=None):
        name = draw.choice(names)
        if name == "active":
            return f"active {draw.choice(('eq', 'ne'))} {draw.choice(('true', 'false'))}"
        if name.endswith("primary"):
            return f"{name} eq true"
        if draw.random() < 0.2:
            return f"{name} pr"
        values = TEXTS.get(name) or TEXTS.get(f"{within}.{name}") or ("anna", "Bert", "zoe", "work", "x")
        return f"{name} {draw.choice(OPERATORS)} {json.dumps(draw.choice(values))}"

    def filter(self, draw, depth=0):
        """A filter, and what it is made of."""
        kind = draw.random()
        if depth < 3 and kind < 0.2:
            return f"{self.filter(draw, depth + 1)} {draw.choice(('and', 'or', 'AND'))} {self.filter(draw, depth + 1)}"
        if depth < 3 and kind < 0.3:
            return f"({self.filter(draw, depth + 1)})"
        if depth < 3 and kind < 0.4:
            return f"{draw.choice(('not', 'NOT'))} ({self.filter(draw, depth + 1)})"
        if kind < 0.55:
            element = draw.choice(list(ELEMENTS))
            inner = self.condition(draw, list(ELEMENTS[element]) + (["primary"] if element == "emails" else []), element)
            if draw.random() < 0.5:
                inner += f" {draw.choice(('and', 'or'))} {self.condition(draw, ELEMENTS[element], element)}"
            return f"{element}[{inner}]"
        return self.condition(draw, [*TEXTS, "active", "active"])


class FiltersBeside(Beside):
    """RFC 7644 §3.4.2.2."""

    def test_filters_find_whom_they_find_beside(self):
        draw = random.Random(SEED)
        stem = self.name("crowd")
        people = []
        for _ in range(40):
            body = self.drawn_user(draw)
            body["nickName"] = f"{stem} {body.get('nickName', '')}"
            people.append(self.made(self.post("/Users", body)))
        models = {person["id"]: Person.model_validate(person) for person in people}
        wrong, some = [], 0
        for _ in range(OPERATIONS):
            text = self.filter(draw)
            try:
                compiled = ScimFilter[Person](text)
                expected = sorted(ident for ident, model in models.items() if compiled.match(model))
            except SCIMException as error:
                expected = type(error).__name__
            answer = self.get("/Users", filter=f'nickName sw "{stem}" and ({text})', count=100)
            found = sorted(user["id"] for user in answer["Resources"]) if answer.status == 200 else answer.status
            if isinstance(expected, str):
                if found != 400:
                    wrong.append((text, expected, found))
            elif found != expected:
                who = [next(person for person in people if person["id"] == ident) for ident in set(found) ^ set(expected)][:1] if isinstance(found, list) else answer.body
                wrong.append((text, f"{len(expected)} expected", f"{len(found)} found" if isinstance(found, list) else found, who))
            else:
                some += bool(expected) and len(expected) < len(people)
        self.assertFalse(wrong, "\n".join(map(str, wrong[:15])) + f"\n{len(wrong)} of {OPERATIONS}")
        self.assertGreater(some, OPERATIONS // 5, "a good many tell some from others")


class PatchesBeside(Beside):
    """RFC 7644 §3.5.2."""

    def value(self, draw, path):
        """A value that fits a path, mostly."""
        at = draw.randrange(10**6)
        if path is None:
            return {draw.choice(("title", "displayName", "nickName")): f"v{at}", "name": {"givenName": f"g{at}"}}
        last = path.split(":")[-1].split(".")[-1] if "[" not in path else path.split("]")[-1].lstrip(".")
        if path == "name":
            return {part: f"{part}{at}" for part in draw.sample(["givenName", "familyName", "middleName"], draw.randrange(1, 3))}
        if path in ("emails", "phoneNumbers", "addresses"):
            element = lambda place: {"type": f"t{at}{place}", **({"value": f"m{at}{place}@x.example"} if path == "emails" else {"value": f"+1 {at}{place}"} if path == "phoneNumbers" else {"locality": f"l{at}{place}"})}
            return [element(place) for place in range(draw.randrange(1, 3))]
        if path == "active":
            return draw.random() < 0.5
        if path.endswith("]"):
            return {"display": f"d{at}"} if not path.startswith("addresses") else {"region": f"r{at}"}
        if last == "primary":
            return True
        return f"m{at}@x.example" if path.startswith("emails") else f"v{at}"

    PATHS = (
        None, "title", "displayName", "nickName", "name", "name.givenName", "name.middleName", "active", "emails", "phoneNumbers", "addresses", f"{ENTERPRISE}:department", f"{USER}:title",
        'emails[type eq "work"]', 'emails[type eq "work"].value', 'emails[type eq "work"].display', 'emails[type eq "home"].primary', 'emails[value ew "example"].display', 'phoneNumbers[type eq "work"].value',
        'addresses[type eq "home"]', 'addresses[country eq "NZ"].locality', 'emails[primary eq true].display', 'emails[type eq "nobody"]', 'emails[not (type eq "work")]',
    )

    def operation(self, draw):
        path = draw.choice(self.PATHS)
        # What a filter selects is replaced as a whole by §3.5.2.3; beside it is merged.
        actions = ("add", "remove") if path and path.endswith("]") else ("add", "replace") if path is None else ("add", "add", "replace", "replace", "remove")
        action = draw.choice(actions)
        operation = {"op": action}
        if path is not None:
            operation["path"] = path
        if action != "remove":
            operation["value"] = self.value(draw, path)
        return operation

    def plain(self, resource):
        """What is compared: without what the server says of itself, lists in one order."""
        told = {name: value for name, value in resource.items() if name not in ("meta", "id", "schemas")}
        for name, value in told.items():
            if isinstance(value, list):
                told[name] = sorted(({part: held for part, held in element.items() if held is not False} for element in value), key=lambda element: json.dumps(element, sort_keys=True))
        return told

    def test_patches_make_what_they_make_beside(self):
        draw, wrong, done = random.Random(SEED + 1), [], 0
        for _ in range(OPERATIONS // 2):
            user = self.made(self.post("/Users", self.drawn_user(draw)))
            operations = [self.operation(draw) for _ in range(draw.randrange(1, 5))]
            body = {"schemas": [PATCH], "Operations": operations}
            model = Person.model_validate(user)
            try:
                PatchOp[Person].model_validate(body).patch(model)
                expected = json.loads(model.model_dump_json(exclude_none=True, by_alias=True))
                expected = self.plain(json.loads(json.dumps(expected)))
            except Exception as error:
                expected = type(error).__name__
            answer = self.ask("PATCH", f"/Users/{user['id']}", body)
            after = self.read("Users", user["id"])
            if answer.status >= 300:
                self.assertEqual(after, user, "a refused patch changes nothing")
                # Where a filter of a removal selects nothing, that is noTarget here (§3.12, table 9) and nothing beside.
                unmatched = answer.body.get("scimType") == "noTarget" and any(operation["op"] == "remove" and "[" in operation["path"] for operation in operations)
                if not isinstance(expected, str) and not unmatched:
                    wrong.append((operations, user, "made beside", answer.text))
            elif isinstance(expected, str):
                # A value that a filter describes and that is not there is made (quirk 5), which beside is noTarget.
                made = expected == "NoTargetException" and any("[" in operation.get("path", "") for operation in operations if operation["op"] == "add" or "]." in operation.get("path", ""))
                if not made:
                    wrong.append((operations, user, expected, "made here"))
            else:
                done += 1
                if self.plain(after) != expected:
                    wrong.append((operations, self.plain(user), "beside", expected, "here", self.plain(after)))
        self.assertFalse(wrong, "\n\n".join(map(str, wrong[:12])) + f"\n{len(wrong)} of {OPERATIONS // 2}")
        self.assertGreater(done, OPERATIONS // 8)
