"""The scene that every cell of the matrix is asked of: two organisations, somebody in every role, something of every kind.

What the model needs to know of it is said here by hand (`PEOPLE`, `GROUPS`, `TARGETS`), and never asked of the server.
"""

import base64
import pathlib
import sys

import ldap
import ldap.schema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hardening"))
import rules  # noqa: E402
from rules import OPENED, LEVELS, Subject, Target  # noqa: E402
from target import Client, bind, equal, extended, first, message, present, replace, search, sequence, servers, text  # noqa: E402
import target as daemons  # noqa: E402

SUFFIX = daemons.SUFFIX
ACME, OTHER, OUTSIDE = f"o=Acme,{SUFFIX}", f"o=Other,{SUFFIX}", f"ou=outside,{SUFFIX}"
PASSWORD = "what everybody here signs in with"
NEEDS = {
    "people.search": (), "people.search-any": ("people.search",), "people.staff-view": ("people.search",), "people.archived": ("people.search",),
    "staff.maintain": ("people.search", "people.search-any"), "groups.search-own": (), "groups.search-any": ("groups.search-own",),
    "groups.maintain-all": ("groups.search-own", "groups.search-any"), "content.read": ("people.search",), "content.write": ("people.search",),
}
MEMBER = ("people.search", "groups.search-own", "content.read", "content.write")
SERVICES = {"reader": "reads", "writer": "keeps", "bare": ""}


def dn(kind, name, organisation=ACME):
    attribute, container = {
        "user": ("uid", "users"), "staff": ("uid", "staff"), "group": ("cn", "groups"), "role": ("cn", "roles"),
        "licence": ("cn", "licences"), "content": ("cn", "content"), "session": ("hcSessionId", "sessions")}[kind]
    return f"{attribute}={name},ou={container},{organisation}"


def subjects():
    """Who asks: name -> what the model knows of it."""
    made = {"anonymous": Subject("anonymous"), "operator": Subject("operator", operator=True), "norole": Subject("norole", ACME)}
    for permission, needs in NEEDS.items():
        made[permission] = Subject(permission, ACME, {permission, *needs})
    made["directory-only"] = Subject("directory-only", ACME, {"people.search", "people.search-any"}, directory_only=True)
    for level in LEVELS:
        made[f"{level}"] = Subject(level, ACME, set(MEMBER), groups={"team": level, "vault": level})
        made[f"{level}-above"] = Subject(f"{level}-above", ACME, set(MEMBER), groups={"house": level})
        made[f"{level}-bare"] = Subject(f"{level}-bare", ACME, groups={"team": level, "vault": level})
    made["chief"] = Subject("chief", ACME, set(NEEDS), administrator=True)
    made["eve"] = Subject("eve", OTHER, set(NEEDS), administrator=True)
    for name, rule in SERVICES.items():
        made[name] = Subject(name, ACME, rule=rule)
    return made


SUBJECTS = subjects()
#: Group -> organisation, parent, whether locked, and the levels of who is in it besides the subjects.
GROUPS = {
    "house": dict(parent=None, locked=False, members={"houser": "full"}),
    "team": dict(parent="house", locked=False, members={"mate": "full", "viewer": "view-only", "former": "past", "off": "full", "hand": "full"}),
    "vault": dict(parent="house", locked=True, members={"mate": "full"}),
    "apart": dict(parent=None, locked=False, members={"stranger": "full"}),
}
for name, subject in SUBJECTS.items():
    for group, level in subject.groups.items():
        GROUPS[group]["members"][name] = level
rules.GROUPS.update(GROUPS)
LINKS = {"administrator": "hcAdministrator", "full": "member", "view-only": "hcViewOnlyMember", "past": "hcPastMember"}


def targets():
    """What is asked about: name -> what the model knows of it."""
    made = {"organisation": Target("organisation", ACME), "suffix": Target("outside", SUFFIX, of=None),
            "outsider": Target("outside", f"uid=outsider,{OUTSIDE}", of=None)}
    for container in ("users", "staff", "groups", "roles", "licences", "sessions", "content"):
        made[f"ou={container}"] = Target("container", f"ou={container},{ACME}", holds=container)
    for name in ("mate", "viewer", "former", "houser", "stranger"):
        made[name] = Target("user", dn("user", name), name=name)
    made["off"] = Target("user", dn("user", "off"), name="off", active=False)
    made["boss"] = Target("user", dn("user", "boss"), name="boss", administrator=True)
    made["clerk"], made["hand"] = Target("staff", dn("staff", "clerk"), name="clerk"), Target("staff", dn("staff", "hand"), referred=True)
    made["retired"] = Target("staff", dn("staff", "retired"), name="retired", active=False)
    for name in GROUPS:
        made[name] = Target("group", dn("group", name), name=name)
    made["chiefs"], made["member"], made["vacant"] = (Target("role", dn("role", name), name=name) for name in ("chiefs", "member", "vacant"))
    made["desk"], made["till"] = Target("licence", dn("licence", "desk")), Target("licence", dn("licence", "till"), self_service=True)
    for name, kind, who, about in (
            ("private", "note", "just-me", "mate"), ("shared", "note", "team", "mate"), ("open", "note", "anyone", "mate"),
            ("far", "note", "anyone", "stranger"), ("farshared", "to-do", "team", "stranger"), ("chore", "to-do", "anyone", "mate"),
            ("letter", "communication", "just-me", "mate"), ("call", "communication", "anyone", "mate")):
        made[name] = Target("content", dn("content", name), name=name, author="mate", visibility=who, about=about, content=kind)
    made["own note"] = Target("content", dn("content", "mine"), author="full", visibility="just-me", about="mate", content="note")
    for kind, name in (("user", "bob"), ("staff", "sue"), ("group", "crew"), ("role", "chiefs"), ("licence", "desk"), ("content", "open")):
        made[f"other {name}"] = Target(kind, dn(kind, name, OTHER), of=OTHER, name=f"other {name}")
    made["other open"] = Target("content", dn("content", "open", OTHER), of=OTHER, author="other bob", visibility="anyone", about="other bob", content="note")
    made["other organisation"] = Target("organisation", OTHER, of=OTHER)
    made["other ou=users"] = Target("container", f"ou=users,{OTHER}", of=OTHER, holds="users")
    return made


TARGETS = targets()
for _name, _target in TARGETS.items():
    _target.name = _name
    if _target.about:
        _target.about = TARGETS[_target.about]
#: What has a value of everything its class may have.
RICH = ("mate", "stranger", "clerk", "team", "till")

SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
VALUES = {SYNTAX + number: value for number, value in {
    "7": "TRUE", "12": dn("user", "mate"), "15": "some text", "22": "+64 3 123", "24": "20260102030405Z", "26": "abc", "27": "7", "34": dn("user", "mate"),
    "36": "12 3", "38": "1.2.3.4", "40": b"octets", "41": "1 Main Street$Town", "44": "printable", "50": "+64 3 123", "11": "NZ", "6": "'0101'B",
    "28": base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="), "14": "telephone", "4": b"audio", "5": b"binary", "23": b"fax"}.items()}
SAID = {
    "hcIncreaseSessionLimit": None, "hcSelfServiceAttribute": "title", "hcEntitlement": '{"value":"gold","type":"plan"}', "hcInstantMessaging": '{"value":"chat","type":"x"}',
    "hcAllowedAddress": "127.0.0.0/8", "hcUserType": "app", "hcDefaultVisibility": "just-me", "hcPreferredTimeZone": "Pacific/Auckland", "hcTimeZone": "Pacific/Auckland",
    "hcActive": "TRUE", "mail": None, "hcEmail": None, "hcStaff": None, "manager": dn("user", "mate"), "hcRole": dn("role", "member"), "hcPrimaryRole": dn("role", "member"),
    "hcLicence": dn("licence", "desk"), "preferredLanguage": "en", "hcLocale": "en-NZ", "c": "NZ", "hcParentGroup": None, "hcAdminOnly": "FALSE",
    "hcLicenceDefault": "FALSE", "hcSelfService": "TRUE", "hcSessionLimit": "5", "hcPackage": "Standard", "hcCountingMode": "users", "hcReleaseMode": "idle",
    "hcWhenFull": "deny", "hcReportOnly": "FALSE", "hcStartDate": "20260102030405Z", "hcEndDate": "20990102030405Z", "hcIdleTimeout": "1800",
    "hcAdministrator": None, "hcViewOnlyMember": None, "hcPastMember": None, "member": None, "uniqueMember": None, "hcPerUserLimit": "9", "hcMaximumAge": "86400",
}


def _given(attributes):
    for name, values in attributes.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            yield name, value


def add(name, **attributes):
    """An AddRequest; values are one, or a list."""
    values = {}
    for attribute, value in _given(attributes):
        values.setdefault(attribute, []).append(value)
    parts = (sequence(text(attribute), sequence(*map(text, held), tag=0x31)) for attribute, held in values.items())
    return sequence(text(name), sequence(*parts), tag=0x68)


def modifies(name, *changes):
    """A ModifyRequest of several changes, each of how, attribute and values."""
    parts = (sequence(daemons.number(how, 0x0A), sequence(text(attribute), sequence(*map(text, values), tag=0x31))) for how, attribute, *values in changes)
    return sequence(text(name), sequence(*parts), tag=0x66)


def modify(name, how, attribute, *values):
    """A ModifyRequest of one change: 0 add, 1 delete, 2 replace."""
    return modifies(name, (how, attribute, *values))


def compare(name, attribute, value):
    return sequence(text(name), sequence(text(attribute), text(value)), tag=0x6E)


def delete(name):
    return text(name, 0x4A)


def rename(name, rdn):
    return sequence(text(name), text(rdn), b"\x01\x01\xff", tag=0x6C)


def parts(octets):
    """The elements of a constructed value: tags and contents."""
    while octets:
        content, rest = first(octets)
        yield octets[0], content
        octets = rest


class Answer:
    """Code, matched DN and text of a result, and the entries before it: name -> attribute -> values."""

    def __init__(self):
        self.code, self.matched, self.text, self.entries = None, b"", b"", {}

    def entry(self, content):
        (_, name), (_, attributes) = parts(content)
        held = {}
        for _, one in parts(attributes):
            (_, kind), (_, values) = parts(one)
            held[kind.decode()] = [value for _, value in parts(values)]
        self.entries[name.decode()] = held

    def end(self, content):
        found = list(parts(content))
        self.code, self.matched, self.text = found[0][1][0], found[1][1], found[2][1]


class Wire(Client):
    """A connection that sends many requests at once."""

    def all(self, operations, at_once=100):
        """What each is answered, in order."""
        answers = []
        for begin in range(0, len(operations), at_once):
            some = operations[begin:begin + at_once]
            waiting = {}
            octets = b""
            for operation in some:
                self.ident += 1
                waiting[self.ident] = Answer()
                octets += message(self.ident, operation)
            answers.extend(waiting.values())
            left = len(waiting)
            self.send(octets)
            while left:
                ident, tag, content = self.receive()
                assert ident in waiting, f"an unsolicited message: {content}"
                answer = waiting[ident]
                if tag == 0x64:
                    answer.entry(content)
                elif tag != 0x73:
                    answer.end(content)
                    left -= 1
        return answers

    def one(self, operation):
        return self.all([operation])[0]

    def must(self, operation, what):
        answer = self.one(operation)
        assert answer.code == 0, (what, answer.code, answer.text)


class Scene(daemons.Target):
    """The daemon with all of it."""

    def __init__(self):
        super().__init__()
        self.root = Wire(self, patience=60)
        assert self.root.one(bind(self.operator, servers.PASSWORD)).code == 0
        self._schema()
        self.twins, self.viewer = {}, None
        self._organisation(ACME)
        self._organisation(OTHER)
        self._people()
        for name, group in GROUPS.items():
            self.put(dn("group", name), **self.group(name, group))
        for name in GROUPS:
            self._link(name)
        for name, target in TARGETS.items():
            if target.kind == "content" and target.of == ACME:
                self.put(target.dn, **self.content(target))
        self.put(dn("content", "open", OTHER), objectClass="hcContent", hcContentType="note", hcSubject=dn("user", "bob", OTHER),
                 hcBody="seen", hcVisibility="anyone", hcAuthor=dn("user", "bob", OTHER))
        for name in RICH:
            self._fill(name)
        self.wires = {name: self.signed_in(name) for name in SUBJECTS}
        self._sessions()

    def write_config(self):
        super().write_config()
        reader, writer = (f'"dn:{dn("user", name)}"' for name in ("reader", "writer"))
        with open(self.folder / "headcount.toml", "a") as config:
            for container in ("users", "groups"):
                subtree = f'subtree = "ou={container},{ACME}"'
                config.write(f'[[access]]\nwho = [{reader}]\n{subtree}\nattributes = ["*", "entryUUID"]\nrights = ["read"]\n')
                config.write(f'[[access]]\nwho = [{writer}]\n{subtree}\nrights = ["read", "write", "add", "delete", "rename"]\n')
            config.write('[hashing]\nmemory = "7MiB"\npasses = 1\n')

    def put(self, name, **attributes):
        self.root.must(add(name, **attributes), name)

    def _schema(self):
        (_, held), = self.directory().search_s("cn=subschema", ldap.SCOPE_BASE, "(objectClass=*)", ["attributeTypes", "objectClasses"])
        self.schema = ldap.schema.SubSchema(held)
        self.published = {}
        for raw in held["attributeTypes"]:
            kind = ldap.schema.AttributeType(raw.decode())
            self.published[kind.names[0]] = (kind, raw.decode())

    def directory(self):
        connection = ldap.initialize(self.url)
        connection.simple_bind_s(self.operator, servers.PASSWORD)
        return connection

    def _organisation(self, name):
        if name == ACME:
            self.put(SUFFIX, objectClass="domain", dc="example")
            self.put(OUTSIDE, objectClass="organizationalUnit")
            self.put(f"uid=outsider,{OUTSIDE}", objectClass="inetOrgPerson", cn="outsider", sn="outsider", mail="outsider@example.com")
        self.put(name, objectClass=["organization", "hcOrganisation"], description="an organisation", hcSelfServiceAttribute=OPENED)
        self.put(dn("licence", "desk", name), objectClass="hcLicence", hcSessionLimit="100", hcLicenceDefault="TRUE", hcPackage="Standard")
        self.put(dn("role", "chiefs", name), objectClass="hcRoleDefinition", hcRoleSystem="organisation-admin")
        if name == ACME:
            self.put(dn("licence", "till"), objectClass="hcLicence", hcSessionLimit="5", hcSelfService="TRUE", hcPackage="Standard")
            self.role("member", MEMBER)
            self.role("vacant", ("sales.view",))
            self.role("directory-only", ("people.search", "people.search-any"), ("people.directory-only",))
            for permission, needs in NEEDS.items():
                self.role(permission, (permission, *needs))

    def role(self, name, grants, restricts=()):
        more = {"hcRoleRestriction": list(restricts)} if restricts else {}
        self.put(dn("role", name), objectClass="hcRoleDefinition", hcRolePermission=list(grants), description="a role", **more)

    def person(self, name, organisation=ACME, **more):
        """What a user is made with."""
        held = dict(objectClass=["inetOrgPerson", "hcUser"], cn=name, sn=name, mail=f"{name}@example.com", telephoneNumber="+64 3 1",
                    employeeNumber=f"9-{name}", description="somebody", userPassword=PASSWORD)
        if name == "off":
            held["hcActive"] = "FALSE"
        if name in ("boss", "chief", "eve"):
            held["hcRole"] = dn("role", "chiefs", organisation)
        elif name in NEEDS or name == "directory-only":
            held["hcRole"] = dn("role", name)
        elif name in SUBJECTS and SUBJECTS[name].permissions:
            held["hcRole"] = dn("role", "member")
        return held | more

    def _people(self):
        for name, target in TARGETS.items():
            if target.kind == "user" and target.of == ACME:
                self.put(target.dn, **self.person(name))
        for name, subject in SUBJECTS.items():
            if name in SERVICES:
                self.put(dn("user", name), objectClass=["applicationProcess", "simpleSecurityObject", "uidObject", "hcUser"], cn=name, hcUserType="service", userPassword=PASSWORD)
            elif subject.of == ACME:
                self.put(dn("user", name), **self.person(name))
        self.put(dn("user", "talker"), **self.person("talker"))
        self.put(dn("user", "eve", OTHER), **self.person("eve", OTHER))
        self.put(dn("user", "bob", OTHER), **self.person("bob", OTHER))
        for name in ("clerk", "hand", "retired"):
            self.put(dn("staff", name), **self.staff(name))
        self.put(dn("staff", "sue", OTHER), **self.staff("sue"))
        self.put(dn("group", "crew", OTHER), objectClass="hcGroup", member=dn("user", "bob", OTHER), description="a group")

    @staticmethod
    def staff(name):
        held = dict(objectClass=["inetOrgPerson", "hcStaffRecord"], cn=name, sn=name, telephoneNumber="+64 3 1", employeeNumber=f"9-{name}", description="somebody")
        return held | ({"hcActive": "FALSE"} if name == "retired" else {})

    @staticmethod
    def group(name, group):
        held = dict(objectClass="hcGroup", description="a group")
        for person, level in group["members"].items():
            held.setdefault(LINKS[level], []).append(dn("staff" if person == "hand" else "user", person))
        return held | ({"hcAdminOnly": "TRUE"} if group["locked"] else {})

    def _link(self, name):
        if parent := GROUPS[name]["parent"]:
            self.root.must(replace(dn("group", name), "hcParentGroup", dn("group", parent)), name)

    @staticmethod
    def content(target):
        held = dict(objectClass="hcContent", hcContentType=target.content, hcSubject=target.about.dn, hcBody="seen", hcAuthor=dn("user", target.author))
        held["hcVisibility"] = "group" if target.visibility == "team" else target.visibility
        return held | ({"hcVisibleTo": dn("group", "team")} if target.visibility == "team" else {})

    def root_dse(self, attribute):
        answer = self.root.one(search("", 0, present("objectClass"), attribute))
        return {value.decode() for value in answer.entries[""][attribute]}

    def extended(self, what):
        """The entry an extended operation is about, and the value of its request; the session is a new one."""
        user = dn("user", "talker")
        if what == "password modify":
            return user, sequence(text(user, 0x80), text(PASSWORD + " anew", 0x82))
        if what == "who am I":
            return user, None
        if self.viewer is None or not self._session_of(user):
            self.root.must(modify(user, 2, "userPassword", PASSWORD), user)
            self.viewer = Wire(self, patience=60)
            assert self.viewer.one(bind(user, PASSWORD)).code == 0
        session = self._session_of(user)
        return session, sequence(text(session.partition("=")[2].partition(",")[0]))

    def _session_of(self, user):
        found = self.root.one(search(f"ou=sessions,{ACME}", 1, equal("hcSessionUser", user), "1.1"))
        return next(iter(found.entries), None)

    def twin(self, about, target):
        """An entry like the target and beside it, whose going harms nobody; and what one more would be made with."""
        rdn, _, parent = target.dn.partition(",")
        attribute, _, name = rdn.partition("=")
        made = f"{attribute}=twin-{name},{parent}"
        given = self.given(about, name, target, f"twin-{name}")
        if about not in self.twins:
            self.put(made, **given)
            for group, held in GROUPS.items():
                for person, level in held["members"].items():
                    if target.kind in ("user", "staff") and person == name and target.of == ACME:
                        self.root.must(modify(dn("group", group), 0, LINKS[level], made), made)
            self.twins[about] = made
        return made, self.given(about, name, target, "fresh")

    def given(self, about, name, target, fresh):
        """What an entry like the target is made with."""
        if target.kind == "user":
            return self.person(name, target.of) | {"mail": f"{fresh}@example.com", "employeeNumber": fresh}
        if target.kind == "staff":
            return self.staff(name) | {"employeeNumber": fresh}
        if target.kind == "group":
            if target.of != ACME:
                return dict(objectClass="hcGroup")
            parent = GROUPS[about]["parent"]
            return self.group(name, GROUPS[about]) | ({"hcParentGroup": dn("group", parent)} if parent else {})
        if target.kind == "role":
            return dict(objectClass="hcRoleDefinition", hcRolePermission="sales.view")
        if target.kind == "licence":
            return dict(objectClass="hcLicence", hcSessionLimit="5", hcSelfService="TRUE" if target.self_service else "FALSE", hcPackage="Standard")
        return self.content(target)

    def _fill(self, name):
        """Gives an entry a value of everything that its classes allow."""
        target = TARGETS[name]
        held = self.held(target.dn)
        classes = [value.decode() for value in held["objectClass"]]
        must, may = self.schema.attribute_types(classes)
        operations, names = [], []
        for kind in may.values():
            attribute = kind.names[0]
            value = SAID.get(attribute, VALUES.get(kind.syntax or self._syntax(kind)))
            if attribute in held or value is None or "X-SECRET" in self.published[attribute][1]:
                continue
            operations.append(replace(target.dn, attribute, value))
            names.append(attribute)
        self.unfilled = [(name, attribute, answer.text) for attribute, answer in zip(names, self.root.all(operations)) if answer.code]
        for one in self.unfilled:
            print("not filled", one)

    def _syntax(self, kind):
        while not kind.syntax and kind.sup:
            kind = self.schema.get_obj(ldap.schema.AttributeType, kind.sup[0])
        return kind.syntax

    def has_equality(self, attribute):
        kind = self.published[attribute][0]
        while not kind.equality and kind.sup:
            kind = self.schema.get_obj(ldap.schema.AttributeType, kind.sup[0])
        return bool(kind.equality)

    def held(self, name):
        """Everything the operator reads of an entry."""
        answer = self.root.one(search(name, 0, present("objectClass"), "*", "+"))
        return answer.entries.get(name) or next(iter(answer.entries.values()))

    def signed_in(self, name):
        wire = Wire(self, patience=60)
        if name == "operator":
            name, password = self.operator, servers.PASSWORD
        elif name != "anonymous":
            name, password = dn("user", name, SUBJECTS[name].of), PASSWORD
        else:
            return wire
        answer = wire.one(bind(name, password))
        assert answer.code == 0, (name, answer.code, answer.text)
        return wire

    def wire(self, subject):
        """Its connection. One without a bind is ended where it was silent for long, and is made anew."""
        if subject.name == "anonymous":
            self.wires["anonymous"].close()
            self.wires["anonymous"] = self.signed_in("anonymous")
        return self.wires[subject.name]

    def _sessions(self):
        """Finds whose session is which, as the operator."""
        found = self.root.one(search(f"ou=sessions,{ACME}", 1, present("hcSessionId"), "hcSessionUser"))
        self.sessions = {held["hcSessionUser"][0].decode(): name for name, held in found.entries.items()}
