"""Bounds on what one operation may cost, whoever asks (hardening HA5, HD6)."""

import http.client
import json
import subprocess
import time
import unittest

import target
from target import LONG, SUFFIX, Client, Target, equal, present, search, sequence, substrings, text

READER = (f"uid=reader,ou=users,o=Acme,{SUFFIX}", "what the searching account knows")
PEOPLE = f"ou=people,o=Acme,{SUFFIX}"
SUCCESS, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 0, 3, 4, 11
#: Seconds of CPU one operation may take: 250 ms for a release build, so much more for this one.
CPU = 2.5


class Limited(Target):
    """A server with people, and an account that searches and is held to the limits (the operator is to few of them)."""

    rule = f'[[access]]\nwho = ["services"]\nsubtree = "{SUFFIX}"\nattributes = ["*", "+"]\nrights = ["read"]\n'

    def __init__(self, limits, count):
        self.count = count
        super().__init__(f"{limits}\n{self.rule}", people=count)

    def records(self, people):
        yield (
            f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n"
            f"dn: o=Acme,{SUFFIX}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Acme\n\n"
            f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n"
            f"dn: {READER[0]}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nobjectClass: uidObject\n"
            f"objectClass: hcUser\nuid: reader\ncn: reader\nhcUserType: service\nuserPassword: {READER[1]}\n\n"
        )
        for n in range(people):
            yield (f"dn: cn=person {n},{PEOPLE}\nobjectClass: person\ncn: person {n}\nsn: family {n % 53}\n"
                   f"description: {'ab' * 200}{n}\n\n")

    def reader(self):
        client = Client(self, patience=120)
        code, _ = client.ask(target.bind(*READER))
        assert code == 0, (code, self.said())
        return client


class Limits(unittest.TestCase):
    def start(self, limits="", count=200):
        server = Limited(limits, count)
        self.addCleanup(server.end)
        self.addCleanup(lambda: self.assertEqual(server.panics(), []))
        return server

    def test_hd6_a_client_only_lowers_the_size_limit(self):
        server = self.start("size = 50")
        with server.reader() as client:
            for asked, expected in ((0, (SIZE_LIMIT, 50)), (10, (SIZE_LIMIT, 10)), (100, (SIZE_LIMIT, 50)), (2**31 - 1, (SIZE_LIMIT, 50))):
                self.assertEqual(client.ask(search(PEOPLE, 2, present("sn"), "1.1", size=asked)), expected, f"asked for {asked}")
            self.assertEqual(client.ask(search(PEOPLE, 2, equal("cn", "person 7"), "1.1", size=1)), (SUCCESS, 1))

    def test_hd6_the_look_through_limit(self):
        server = self.start("size = 1000\nlook_through = 100")
        with server.reader() as client:
            # No index has descriptions: every person would be looked at.
            code, _ = client.ask(search(PEOPLE, 2, equal("description", "of nobody"), "1.1"))
            self.assertEqual(code, ADMIN_LIMIT)
            self.assertEqual(client.ask(search(PEOPLE, 2, equal("cn", "person 7"), "1.1")), (SUCCESS, 1), "an index finds it")

    def dear(self):
        """A search that takes long: many substrings that almost match, on every person."""
        return sequence(*(substrings("description", *[(1, "ba")] * 150, (1, f"zz{n}")) for n in range(100)), tag=0xA1)

    def time_limit(self, limit, asked):
        server = self.start(f'look_through = 10000000\ntime = "{limit}s"', 8_000)
        with server.reader() as client:
            began = time.monotonic()
            code, _ = client.ask(search(PEOPLE, 2, self.dear(), "1.1", seconds=asked))
            taken = time.monotonic() - began
        self.assertEqual(code, TIME_LIMIT, f"after {taken:.1f} s")
        self.assertLess(taken, 6)
        self.assertTrue(server.is_alive())

    def test_hd6_a_client_lowers_the_time_limit(self):
        self.time_limit(60, 1)

    def test_hd6_a_client_does_not_raise_the_time_limit(self):
        self.time_limit(1, 60)

    def costs(self, server, client, what, operation, codes):
        """Sends it, and holds its result and its CPU to what is allowed."""
        before = server.cpu()
        code, entries = client.ask(operation)
        taken = server.cpu() - before
        print(f"{what}: code {code}, {entries} entries, {taken * 1e3:.0f} ms of CPU")
        self.assertIn(code, codes, what)
        self.assertLess(taken, CPU, what)
        self.assertTrue(server.is_alive())

    def test_ha5_large_filters_are_answered_or_refused_cheaply(self):
        server = self.start("size = 100000\nlook_through = 100000\nfilter_elements = 512", 5_000 if LONG else 1_000)
        allowed = (SUCCESS, ADMIN_LIMIT, TIME_LIMIT)
        with server.reader() as client:
            terms = lambda count: sequence(*(equal("cn", f"person {n}") for n in range(count)), tag=0xA1)
            self.costs(server, client, "an OR of 500 terms", search(PEOPLE, 2, terms(500), "1.1"), allowed)
            self.costs(server, client, "an OR of 10 000 terms", search(PEOPLE, 2, terms(10_000), "1.1"), allowed)
            stars = substrings("description", *[(1, "a")] * 200)
            self.costs(server, client, "*a*a*a… 200 times", search(PEOPLE, 2, stars, "1.1"), allowed)
            self.costs(server, client, "*a*a*a… 10 000 times", search(PEOPLE, 2, substrings("description", *[(1, "a")] * 10_000), "1.1"),
                       allowed)
            almost = substrings("description", *[(1, "ba")] * 199, (2, "z"))
            self.costs(server, client, "*ba*ba*…*z", search(PEOPLE, 2, almost, "1.1"), allowed)
            self.costs(server, client, "300 KB of one value", search(PEOPLE, 2, equal("cn", "a " * 150_000), "1.1"), allowed)

    def test_ha5_cyclic_deep_and_large_groups(self):
        server = self.start("size = 100000\nlook_through = 100000", 10_000 if LONG else 2_000)
        group = lambda name, *members: (
            f"dn: cn={name},{PEOPLE}\nobjectClass: groupOfNames\ncn: {name}\n" + "".join(f"member: {member}\n" for member in members))
        named = lambda name: f"cn={name},{PEOPLE}"
        entries = [group(f"ring {n}", named(f"ring {(n + 1) % 5}"), named("person 1")) for n in range(5)]
        entries += [group("itself", named("itself"))]
        entries += [group(f"deep {n}", named(f"deep {n + 1}") if n < 50 else named("person 2")) for n in range(51)]
        entries += [group("large", *(named(f"person {n}") for n in range(server.count)))]
        file = server.folder / "groups.ldif"
        file.write_text("\n".join(entries))
        done = subprocess.run(["ldapadd", "-x", "-H", server.url, "-D", server.operator, "-w", target.servers.PASSWORD, "-f", file],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        in_chain = lambda attribute, value: sequence(
            text("1.2.840.113556.1.4.1941", 0x81), text(attribute, 0x82), text(value, 0x83), tag=0xA9)
        allowed = (SUCCESS, ADMIN_LIMIT, TIME_LIMIT)
        with server.reader() as client:
            for name in ("ring 0", "itself", "deep 0", "large"):
                self.costs(server, client, f"the entry of {name}", search(named(name), 0, present("objectClass"), "*", "+"), allowed)
                self.costs(server, client, f"members of {name}", search(PEOPLE, 2, equal("memberOf", named(name)), "1.1"), allowed)
                self.costs(server, client, f"in the chain of {name}", search(PEOPLE, 2, in_chain("memberOf", named(name)), "1.1"), allowed)
            for name in ("person 1", "person 2", "ring 3"):
                self.costs(server, client, f"groups of {name}", search(named(name), 0, present("objectClass"), "memberOf"), allowed)
                self.costs(server, client, f"groups with {name}", search(PEOPLE, 2, equal("member", named(name)), "1.1"), allowed)
                self.costs(server, client, f"in the chain above {name}", search(PEOPLE, 2, in_chain("member", named(name)), "1.1"), allowed)


class Several(Limited):
    """Accounts of several kinds, and who of them is in a group or has a role."""

    TOOL, PLAIN, READERS = (f"cn={name},{SUFFIX}" for name in ("tool", "plain", "readers"))
    rule = "".join(f'[[access]]\nwho = ["{who}"]\nsubtree = "{SUFFIX}"\nattributes = ["*", "+"]\nrights = ["read"]\n' for who in ("users", "anonymous"))

    def records(self, people):
        yield from super().records(people)
        acme = f"o=Acme,{SUFFIX}"
        for dn in (self.TOOL, self.PLAIN):
            yield f"dn: {dn}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nuserPassword: {READER[1]}\n\n"
        yield f"dn: {self.READERS}\nobjectClass: groupOfNames\nmember: {self.TOOL}\nmember: {self.PLAIN}\n\n"
        yield (f"dn: cn=Desk,ou=licences,{acme}\nobjectClass: hcLicence\ncn: Desk\nhcSessionLimit: 50\nhcPackage: Standard\n"
               "hcLicenceDefault: TRUE\n\n")
        yield f"dn: cn=reporter,ou=roles,{acme}\nobjectClass: hcRoleDefinition\ncn: reporter\nhcRolePermission: people.search\n\n"
        yield f"dn: cn=chief,ou=roles,{acme}\nobjectClass: hcRoleDefinition\ncn: chief\nhcRoleSystem: organisation-admin\n\n"
        for uid, role in (("ada", "reporter"), ("ben", None), ("chief", "chief")):
            yield (f"dn: {self.user(uid)}\nobjectClass: inetOrgPerson\nobjectClass: hcUser\nuid: {uid}\ncn: {uid}\nsn: x\n"
                   f"mail: {uid}@example.com\nuserPassword: {READER[1]}\n" + (f"hcRole: cn={role},ou=roles,{acme}\n" if role else "") + "\n")

    def user(self, uid):
        return f"uid={uid},ou=users,o=Acme,{SUFFIX}"

    def signed_in(self, dn, tls=False):
        client = Client(self, tls=tls, patience=60)
        code = client.ask(target.bind(dn, READER[1]))[0] if dn else 0
        assert code == 0, (dn, code, self.said())
        return client


def for_some(who, **bounds):
    """A `[[limit]]`."""
    quoted = lambda value: f'"{value}"' if isinstance(value, str) else value
    names = ", ".join(f'"{word}"' for word in who)
    return f"[[limit]]\nwho = [{names}]\n" + "".join(f"{name} = {quoted(value)}\n" for name, value in bounds.items())


class LimitsForSome(unittest.TestCase):
    """The first `[[limit]]` that speaks of who asks counts, and before it nothing."""

    COUNT = 60

    def start(self, limits):
        server = Several(limits, self.COUNT)
        self.addCleanup(server.end)
        self.addCleanup(lambda: self.assertEqual(server.panics(), []))
        self.operator = Client(server, patience=60).sign_in(server)
        self.addCleanup(self.operator.close)
        return server

    def finds(self, client, most, size=0):
        """How many it gets of all people."""
        expected = (SIZE_LIMIT, most) if most < self.COUNT else (SUCCESS, self.COUNT)
        self.assertEqual(client.ask(search(PEOPLE, 2, present("sn"), "1.1", size=size)), expected)

    def test_hd6_the_size_limit_by_who_asks(self):
        server = self.start("size = 20\n" + for_some(["anonymous"], size=5) + for_some(["users", "encrypted"], size=7)
                            + for_some([f"dn:{Several.TOOL}"], size=40) + for_some([f"group:{Several.READERS}"], size=30)
                            + for_some(["role:reporter"], size=25) + for_some(["role:organisation-admin"], size=1_000)
                            + for_some(["services", "address:10.0.0.0/8"], size=1) + for_some(["services"], size=45))
        cases = [("anonymous", None, 5), ("by its name, before its group", server.TOOL, 40), ("in a group", server.PLAIN, 30),
                 ("with a role of its organisation", server.user("ada"), 25), ("with a role of the system", server.user("chief"), 60),
                 ("a service, from here", READER[0], 45), ("of whom no limit speaks", server.user("ben"), 20)]
        for what, dn, most in cases:
            with self.subTest(what), server.signed_in(dn) as client:
                for asked in (0, 3, 2**31 - 1):
                    self.finds(client, min(most, asked or most), asked)
        with self.subTest("under TLS"), server.signed_in(server.user("ben"), tls=True) as client:
            self.finds(client, 7)
        with self.subTest("the operator"):
            self.finds(self.operator, 60)
            self.finds(self.operator, 50, 50)
        with self.subTest("as somebody else on the same connection"), server.signed_in(server.TOOL) as client:
            for dn, most in ((server.PLAIN, 30), ("", 5), (server.TOOL, 40)):
                self.assertEqual(client.ask(target.bind(dn, READER[1] if dn else ""))[0], SUCCESS)
                self.finds(client, most)

    def test_hd6_who_leaves_a_group_or_loses_a_role_has_its_limit_no_more(self):
        server = self.start("size = 20\n" + for_some([f"group:{Several.READERS}"], size=30) + for_some(["role:reporter"], size=25))
        with server.signed_in(server.PLAIN) as plain, server.signed_in(server.user("ada")) as ada:
            self.finds(plain, 30)
            self.finds(ada, 25)
            self.assertEqual(self.operator.ask(target.replace(server.READERS, "member", server.TOOL))[0], SUCCESS)
            self.assertEqual(self.operator.ask(target.replace(server.user("ada"), "hcRole"))[0], SUCCESS)
            self.finds(plain, 20)
            self.finds(ada, 20)

    def test_hd6_what_a_limit_does_not_say_is_as_for_everybody(self):
        server = self.start("size = 20\nlook_through = 30\n" + for_some(["services"], look_through=1_000) + for_some([f"dn:{Several.TOOL}"], size=50))
        # No index has descriptions: every person is looked at.
        look = search(PEOPLE, 2, equal("description", "of nobody"), "1.1")
        with server.reader() as client:
            self.assertEqual(client.ask(look), (SUCCESS, 0))
            self.finds(client, 20)
        with server.signed_in(server.TOOL) as client:
            self.assertEqual(client.ask(look), (ADMIN_LIMIT, 0))
            self.finds(client, 50)
        # A content sync looks at entries too.
        followed = target.control("1.3.6.1.4.1.4203.1.9.1.1", True, sequence(target.number(1, 0x0A)))
        nobody = search(PEOPLE, 2, equal("sn", "of nobody"), "1.1")
        for dn in (READER[0], server.TOOL):
            with server.signed_in(dn) as client:
                self.assertEqual(client.ask(search(PEOPLE, 2, present("sn"), "1.1"), followed)[0], SIZE_LIMIT if dn == READER[0] else ADMIN_LIMIT)
                self.assertEqual(client.ask(nobody, followed), (SUCCESS, 0))

    def test_hd6_the_time_limit_by_who_asks(self):
        server = Limited('look_through = 10000000\ntime = "60s"\n' + for_some(["services"], time="1s"), 8_000)
        self.addCleanup(server.end)
        with server.reader() as client:
            began = time.monotonic()
            code, _ = client.ask(search(PEOPLE, 2, Limits.dear(self), "1.1", seconds=60))
            taken = time.monotonic() - began
        self.assertEqual(code, TIME_LIMIT, f"after {taken:.1f} s")
        self.assertLess(taken, 6)

    def pages(self, client, size, limit=0):
        """Entries of each page of a paged search, and how it ends."""
        cookie, counts = b"", []
        while True:
            paged = target.control("1.2.840.113556.1.4.319", True, sequence(target.number(size), text(cookie)))
            client.ident += 1
            client.send(target.message(client.ident, search(PEOPLE, 2, present("sn"), "1.1", size=limit), paged))
            counts.append(0)
            code, cookie = self.page(client, counts)
            if code or not cookie:
                return counts, code

    def page(self, client, counts):
        """Counts a page; its result code and cookie."""
        while True:
            message, client.buffer = whole(client)
            ident, rest = target.first(message)
            content, controls = target.first(rest)[0], target.first(rest)[1]
            if rest[0] == 0x64:
                counts[-1] += 1
                continue
            code = target.first(content)[0][0]
            if not controls:
                return code, b""
            value = target.first(target.first(target.first(controls)[0])[0])[1]
            _, behind = target.first(target.first(target.first(value)[0])[0])
            return code, target.first(behind)[0]

    def test_hd6_the_size_limit_across_pages(self):
        server = self.start("size = 20\n" + for_some(["services"], paged_size=45) + for_some([f"dn:{Several.TOOL}"], paged_size=0, size=25))
        for what, dn, size, limit, expected in (
            ("a page is no larger than a search, and all of them have no bound", server.PLAIN, 50, 0, ([20, 20, 20], SUCCESS)),
            ("a bound on all of them", READER[0], 20, 0, ([20, 20, 5], SIZE_LIMIT)),
            ("which is reached with a page", READER[0], 15, 0, ([15, 15, 15, 0], SIZE_LIMIT)),
            ("which the client lowers", READER[0], 20, 30, ([20, 10], SIZE_LIMIT)),
            ("which the client does not raise", READER[0], 20, 1_000, ([20, 20, 5], SIZE_LIMIT)),
            ("none, and a larger page", server.TOOL, 1_000, 0, ([25, 25, 10], SUCCESS)),
        ):
            with self.subTest(what), server.signed_in(dn) as client:
                self.assertEqual(self.pages(client, size, limit), expected)
        with self.subTest("without pages"), server.reader() as client:
            self.finds(client, 20)
        with self.subTest("the operator"):
            self.assertEqual(self.pages(self.operator, 1_000), ([60], SUCCESS))

    def test_hd6_lists_of_scim_are_bounded_too(self):
        server = self.start(for_some(["users", "address:127.0.0.0/8"], paged_size=3))
        minted = json.loads(server.run("token", "mint", "--json", "--organisation", f"o=Acme,{SUFFIX}", "x").stdout.splitlines()[0])

        def users(filter):
            connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
            connection.request("GET", f"/scim/v2/Users?filter={filter}", headers={"Authorization": f"Bearer {minted['token']}"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            connection.close()
            return answer.status, body.get("totalResults"), body.get("scimType")

        self.assertEqual(users("userName%20eq%20%22ada%22"), (200, 1, None))
        self.assertEqual(users("userName%20pr"), (400, None, "tooMany"), "there are four")

    def test_hd6_limits_are_taken_over_by_a_reload(self):
        server = self.start("size = 20\n")
        config = server.folder / "headcount.toml"
        former = config.read_text()
        said = lambda what: lambda: server.log().count(what)

        def write(text, what):
            before = said(what)()
            config.write_text(text)
            target.servers.demo.eventually("it is read", lambda: said(what)() > before)

        with server.signed_in(server.PLAIN) as client:
            self.finds(client, 20)
            write(former + for_some(["users"], size=33), "the changed config is in force")
            self.finds(client, 33)
            lines = len((former + for_some(["users"], size=33)).splitlines())
            write(former + for_some(["users"], size=33) + for_some(["user"], size=44), f"headcount.toml:{lines + 2}:8: nobody is `user`")
            self.finds(client, 33)
            write(former, "the changed config is in force")
            self.finds(client, 20)


def whole(client):
    """The next message as octets, and what is behind it."""
    buffer = client.buffer
    while len(buffer) < 2 or len(buffer) < needed(buffer):
        more = client.socket.recv(1 << 16)
        if not more:
            raise target.Closed
        buffer += more
    return target.first(buffer)


def needed(buffer):
    """How long the message that begins there is, as far as that can be told."""
    count = buffer[1] & 0x7F if buffer[1] & 0x80 else 0
    size = int.from_bytes(buffer[2:2 + count], "big") if count else buffer[1]
    return 2 + count + size
