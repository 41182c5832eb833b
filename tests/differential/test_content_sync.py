"""slapd as a consumer of ours (RFC 4533): it follows through changes of every kind and restarts of either side, and
ends with the same entries."""

import random
import subprocess
import time
import unittest

import ldap
import ldap.modlist

from normal import name, read_ldif
from servers import PASSWORD, Headcount, Slapd

SUFFIX = "dc=example,dc=com"
#: How long the consumer may take to catch up, in seconds.
PATIENCE = 60
#: What a server keeps about itself, or makes when it is asked.
OWN = {"contextcsn", "entrydn", "hassubordinates", "numsubordinates", "subschemasubentry", "memberof", "hceffectivemember"}


class Consumer(Slapd):
    """slapd that gets its entries from another server."""

    def __init__(self, provider, kind):
        self.provider, self.kind = provider, kind
        super().__init__(provider.suffix)

    def write_config(self):
        super().write_config()
        when = "retry=\"1 +\"" if self.kind == "refreshAndPersist" else "interval=00:00:00:01 retry=\"1 +\""
        with open(self.folder / "slapd.conf", "a") as config:
            config.write(
                # A group that lost its last member is still a group here, so the consumer must not hold it against the schema.
                f"dbnosync\nindex entryUUID,entryCSN eq\nsyncrepl rid=001 provider={self.provider.url} type={self.kind} {when}\n"
                f'  searchbase="{self.suffix}" scope=sub schemachecking=off bindmethod=simple\n'
                f'  binddn="{self.provider.operator}" credentials="{PASSWORD}"\n'
            )

    def command(self):
        return [*super().command()[:-1], "sync"]

    def entries(self):
        """What it holds, read from its files."""
        dumped = subprocess.run(["/usr/sbin/slapcat", "-f", str(self.folder / "slapd.conf")], capture_output=True, check=True)
        return plain(read_ldif(dumped.stdout))


def plain(records):
    """Entries by the normal form of their name."""
    found = {}
    for dn, attributes in records:
        kept = {}
        for description, values in attributes.items():
            attribute = description.casefold()
            if attribute in OWN:
                continue
            if attribute in ("member", "uniquemember", "seealso", "manager", "creatorsname", "modifiersname", "secretary", "owner"):
                values = [str(name(value.decode())).encode() for value in values]
            kept[attribute] = sorted(values)
        found[str(name(dn))] = kept
    return found


def without_csn(entries):
    return {dn: {k: v for k, v in attributes.items() if k != "entrycsn"} for dn, attributes in entries.items()}


class Tree:
    """Makes changes of every kind, and knows what is there."""

    def __init__(self, connection, seed):
        self.connection = connection
        self.random = random.Random(seed)
        self.people, self.units, self.groups, self.count = [], [], [], 0
        connection.add_s(SUFFIX, ldap.modlist.addModlist({"objectClass": [b"dcObject", b"organization"], "dc": [b"example"], "o": [b"Example"]}))
        for unit in ("people", "elsewhere", "groups"):
            self.add_unit(unit, SUFFIX)

    def add(self, dn, attributes):
        octets = {key: [v.encode() if isinstance(v, str) else v for v in values] for key, values in attributes.items()}
        self.connection.add_s(dn, ldap.modlist.addModlist(octets))

    def add_unit(self, unit, parent):
        dn = f"ou={unit},{parent}"
        self.add(dn, {"objectClass": ["organizationalUnit"], "ou": [unit]})
        self.units.append(dn)

    def add_person(self):
        self.count += 1
        cn = self.random.choice([f"Person {self.count}", f"Ünïcode, {self.count}", f"plus+{self.count}"])
        uid = f"p{self.count}"
        parent = self.random.choice([unit for unit in self.units if not unit.startswith("ou=groups")])
        dn = f"uid={uid},{parent}"
        self.add(dn, {"objectClass": ["inetOrgPerson"], "uid": [uid], "cn": [cn], "sn": [f"S{self.count}"], "mail": [f"{uid}@example.com"]})
        self.people.append(dn)

    def add_group(self):
        self.count += 1
        dn = f"cn=group {self.count},ou=groups,{SUFFIX}"
        members = self.random.sample(self.people, min(len(self.people), 5)) or [f"uid=nobody,{SUFFIX}"]
        self.add(dn, {"objectClass": ["groupOfNames"], "cn": [f"group {self.count}"], "member": members})
        self.groups.append(dn)

    def modify(self):
        dn = self.random.choice(self.people)
        change = self.random.choice(
            [
                (ldap.MOD_REPLACE, "description", [f"text {self.random.random()}".encode()]),
                (ldap.MOD_REPLACE, "description", None),
                (ldap.MOD_ADD, "telephoneNumber", [f"+44 20 {self.random.randrange(10**7)}".encode()]),
                (ldap.MOD_REPLACE, "jpegPhoto", [bytes(self.random.randrange(256) for _ in range(2000))]),
            ]
        )
        self.connection.modify_s(dn, [change])

    def regroup(self):
        if self.groups:
            wanted = [dn.encode() for dn in self.random.sample(self.people, min(len(self.people), 4))]
            self.connection.modify_s(self.random.choice(self.groups), [(ldap.MOD_REPLACE, "member", wanted)])

    def rename(self):
        dn = self.random.choice(self.people)
        self.count += 1
        superior = self.random.choice([unit for unit in self.units if not unit.startswith("ou=groups")])
        new = f"uid=r{self.count}"
        if self.random.random() < 0.5:
            superior = dn.split(",", 1)[1]
            self.connection.rename_s(dn, new, delold=1)
        else:
            self.connection.rename_s(dn, new, newsuperior=superior, delold=1)
        self.people[self.people.index(dn)] = f"{new},{superior}"

    def rename_unit(self):
        """A whole subtree gets another name, and perhaps another place."""
        movable = [unit for unit in self.units if unit.count("ou=") > 1]
        if not movable:
            self.count += 1
            return self.add_unit(f"unit {self.count}", f"ou=people,{SUFFIX}")
        unit = self.random.choice(movable)
        self.count += 1
        superior = self.random.choice([f"ou=people,{SUFFIX}", f"ou=elsewhere,{SUFFIX}"])
        renamed = f"ou=unit {self.count},{superior}"
        self.connection.rename_s(unit, f"ou=unit {self.count}", newsuperior=superior, delold=1)
        moved = lambda dn: dn[: -len(unit)] + renamed if dn.endswith(unit) else dn
        self.people, self.units = [moved(dn) for dn in self.people], [moved(dn) for dn in self.units]

    def delete(self):
        if len(self.people) > 5:
            dn = self.people.pop(self.random.randrange(len(self.people)))
            self.connection.delete_s(dn)

    def change(self, count):
        kinds = [self.add_person, self.add_group, self.modify, self.modify, self.regroup, self.rename, self.rename_unit, self.delete]
        for _ in range(count):
            self.random.choice(kinds if len(self.people) > 5 else [self.add_person])()


def connect(server):
    connection = ldap.initialize(server.url)
    connection.simple_bind_s(server.operator, PASSWORD)
    return connection


def held(server):
    """What ours shows."""
    found = connect(server).search_s(SUFFIX, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["*", "+"])
    return plain(found)


class ContentSync(unittest.TestCase):
    maxDiff = 4000

    def agree(self, provider, consumer):
        """Waits until both have the same entries."""
        deadline = time.monotonic() + PATIENCE
        while without_csn(ours := held(provider)) != without_csn(theirs := consumer.entries()) and time.monotonic() < deadline:
            time.sleep(0.3)
        said = f"slapd said:\n{consumer.said()}"
        self.assertFalse(set(ours) - set(theirs), f"only with us; {said}")
        self.assertFalse(set(theirs) - set(ours), f"only with slapd; {said}")
        for dn, attributes in ours.items():
            own, copied = attributes.pop("entrycsn"), theirs[dn].pop("entrycsn")
            self.assertEqual(attributes, theirs[dn], f"{dn}; {said}")
            # An entry that shows another name of a member, say, is sent with the time at which it began to.
            self.assertGreaterEqual(copied, own, dn)

    def follow(self, kind, seed):
        provider = Headcount(SUFFIX)
        provider.start()
        tree = Tree(connect(provider), seed)
        tree.change(60)
        consumer = Consumer(provider, kind)
        consumer.start()
        self.agree(provider, consumer)
        tree.change(200)
        self.agree(provider, consumer)
        # Ours is away for a while, and nothing is forgotten by that.
        provider.stop()
        provider.start()
        tree.connection = connect(provider)
        tree.change(100)
        self.agree(provider, consumer)
        # slapd is away, and much happens meanwhile; ours is started anew, too.
        consumer.stop()
        tree.change(150)
        provider.stop()
        provider.start()
        tree.connection = connect(provider)
        tree.change(50)
        consumer.start()
        self.agree(provider, consumer)
        tree.change(50)
        self.agree(provider, consumer)
        return provider, consumer

    def test_rfc4533_slapd_follows_by_refresh_and_persist(self):
        self.follow("refreshAndPersist", 1)

    def test_rfc4533_slapd_follows_by_polling(self):
        self.follow("refreshOnly", 2)


if __name__ == "__main__":
    unittest.main()
