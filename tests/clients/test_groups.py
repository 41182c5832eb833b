"""Groups, aliases and referrals as applications meet them, by python-ldap."""

import subprocess
import unittest

import ldap
import ldap.filter
import ldap.modlist
import ldap.schema

from demo import Demo

IN_CHAIN = "1.2.840.113556.1.4.1941"
MANAGE = ldap.controls.simple.ManageDSAITControl(True)


class OneDemo(unittest.TestCase):
    """A demo for all tests of a class; each works in an organisation of its own."""

    @classmethod
    def setUpClass(cls):
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.stop)

    def setUp(self):
        self.c = self.connect(self.demo.operator)
        suffix = self.demo.organisation.partition(",")[2]
        self.base = self.add(f"o={self._testMethodName},{suffix}", "organization", "hcOrganisation", o=self._testMethodName)

    def connect(self, who):
        connection = ldap.initialize(self.demo.ldap)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.simple_bind_s(*who)
        self.addCleanup(connection.unbind_s)
        return connection

    def add(self, dn, *classes, **attributes):
        octets = lambda value: [v.encode() for v in ([value] if isinstance(value, str) else value)]
        entry = {name: octets(value) for name, value in attributes.items()}
        self.c.add_s(dn, [("objectClass", octets(list(classes))), *entry.items()])
        return dn

    def person(self, uid, **more):
        return self.add(f"uid={uid},{self.base}", "inetOrgPerson", cn=uid, sn=uid, uid=uid, **more)

    def account(self, uid, number):
        classes = ("inetOrgPerson", "posixAccount", "shadowAccount")
        more = {"uidNumber": str(number), "gidNumber": "100", "homeDirectory": f"/home/{uid}"}
        return self.add(f"uid={uid},{self.base}", *classes, cn=uid, sn=uid, uid=uid, **more)

    def names(self, search, base=None, scope=ldap.SCOPE_SUBTREE, connection=None):
        found = (connection or self.c).search_s(base or self.base, scope, search, ["1.1"])
        return sorted(ldap.dn.str2dn(dn)[0][0][1] for dn, _ in found if dn)

    def values(self, dn, attribute, connection=None):
        (_, entry), = (connection or self.c).search_s(dn, ldap.SCOPE_BASE, attrlist=[attribute])
        return sorted(value.decode() for value in entry.get(attribute, []))

    def modify(self, dn, how, attribute, *values):
        self.c.modify_s(dn, [(how, attribute, [value.encode() for value in values] or None)])


class Groups(OneDemo):
    def group(self, name, *members, **more):
        return self.add(f"cn={name},{self.base}", "groupOfNames", cn=name, member=members, **more)

    def test_in_chain_follows_members_up_and_a_circle_ends(self):
        ann = self.person("ann")
        inner = self.group("inner", ann)
        outer = self.group("outer", inner)
        self.group("aside", self.base)
        self.modify(inner, ldap.MOD_ADD, "member", outer)
        self.assertEqual(self.names(f"(member={ann})"), ["inner"])
        self.assertEqual(self.names(f"(member:{IN_CHAIN}:={ann})"), ["inner", "outer"])
        self.assertEqual(self.names(f"(&(cn=o*)(member:{IN_CHAIN}:={ann}))"), ["outer"])
        self.assertEqual(self.names(f"(memberOf:{IN_CHAIN}:={outer})"), ["ann", "inner", "outer"])
        self.assertEqual(self.names(f"(memberOf={outer})"), ["ann", "inner", "outer"])
        self.assertEqual(self.names(f"(uniqueMember:{IN_CHAIN}:={ann})"), [], "no class of these shows it")
        self.assertEqual(self.names(f"(cn:{IN_CHAIN}:=ann)"), [], "no link: Undefined")
        self.assertEqual(self.names(f"(!(cn:{IN_CHAIN}:=ann))"), [])

    def test_in_chain_follows_managers_and_references_to_nobody(self):
        boss = self.person("boss")
        head = self.person("head", manager=boss)
        self.person("clerk", manager=head)
        self.assertEqual(self.names(f"(manager:{IN_CHAIN}:={boss})"), ["clerk", "head"])
        inner = self.group("inner", f"uid=ghost,{self.base}")
        self.group("outer", inner)
        self.assertEqual(self.names(f"(member:{IN_CHAIN}:=UID=Ghost,{self.base})"), ["inner", "outer"])

    def test_ha5_fifty_deep_groups_and_ten_thousand_members(self):
        ann = self.person("ann")
        at = ann
        for depth in range(50):
            at = self.group(f"g{depth}", at)
        self.assertEqual(len(self.names(f"(member:{IN_CHAIN}:={ann})")), 50)
        self.assertEqual(len(self.values(ann, "memberOf")), 50)
        many = [f"uid=m{number},{self.base}" for number in range(10_000)]
        large = self.group("large", ann, *many)
        self.assertEqual(len(self.values(large, "member")), 10_001)
        self.assertIn("large", self.names(f"(member:{IN_CHAIN}:={ann})"))

    def test_the_in_chain_rule_is_published_for_links(self):
        (_, entry), = self.c.search_s("cn=Subschema", ldap.SCOPE_BASE, "(objectClass=subschema)", ["matchingRules", "matchingRuleUse"])
        self.assertTrue(any(IN_CHAIN.encode() in rule for rule in entry["matchingRules"]))
        use, = (rule.decode() for rule in entry["matchingRuleUse"] if IN_CHAIN.encode() in rule)
        for name in ("member", "uniqueMember", "memberOf", "manager", "memberUid"):
            self.assertIn(f" {name} ", use)
        self.assertNotIn(" cn ", use)

    def test_member_uid_and_member_are_the_same_edges(self):
        ann, bob = self.account("ann", 1), self.account("bob", 2)
        group = self.add(f"cn=both,{self.base}", "groupOfNames", "posixGroup", cn="both", gidNumber="7", member=ann)
        self.assertEqual(self.values(group, "memberUid"), ["ann"])
        self.modify(group, ldap.MOD_ADD, "memberUid", "bob")
        self.assertEqual(self.values(group, "member"), [ann, bob])
        self.assertEqual(self.values(bob, "memberOf"), [group])
        with self.assertRaises(ldap.TYPE_OR_VALUE_EXISTS):
            self.modify(group, ldap.MOD_ADD, "memberUid", "ann")
        self.modify(group, ldap.MOD_DELETE, "memberUid", "ann")
        self.assertEqual(self.values(group, "member"), [bob])
        self.assertTrue(self.c.compare_s(group, "memberUid", b"bob"))
        self.assertFalse(self.c.compare_s(group, "memberUid", b"ann"))

    def test_a_structural_posix_group_keeps_names_until_somebody_has_them(self):
        group = self.add(f"cn=old,{self.base}", "posixGroup", cn="old", gidNumber="8", memberUid=["ann", "Root"])
        self.assertEqual(self.names("(memberUid=ann)"), ["old"])
        ann = self.account("ann", 1)
        self.assertEqual(self.values(group, "memberUid"), ["Root", "ann"])
        self.assertEqual(self.values(ann, "memberOf"), [group], "text became a link")
        self.c.rename_s(ann, "uid=anna", delold=1)
        self.assertEqual(self.values(group, "memberUid"), ["Root", "anna"], "the link follows")
        self.assertEqual(self.names("(memberUid=anna)"), ["old"])
        self.assertEqual(self.names("(memberUid=ann)"), [])
        self.assertEqual(self.names("(memberUid=ann*)"), ["old"], "substrings see links too")
        self.account("ROOT", 2)
        self.assertEqual(self.values(group, "memberUid"), ["Root", "anna"], "memberUid minds the case")
        with self.assertRaises(ldap.OBJECT_CLASS_VIOLATION):
            self.modify(group, ldap.MOD_ADD, "member", ann)

    def test_uid_ignores_case_and_member_uid_does_not(self):
        self.account("Ann", 1)
        self.add(f"cn=g,{self.base}", "posixGroup", cn="g", gidNumber="8", memberUid="Ann")
        self.assertEqual(self.names("(uid=ANN)"), ["Ann"])
        self.assertEqual(self.names("(memberUid=Ann)"), ["g"])
        self.assertEqual(self.names("(memberUid=ann)"), [])

    def test_a_group_shows_what_its_classes_allow(self):
        ann = self.person("ann")
        names = self.group("names", ann)
        unique = self.add(f"cn=unique,{self.base}", "groupOfUniqueNames", cn="unique", uniqueMember=ann)
        ours = self.add(f"cn=ours,{self.base}", "hcGroup", cn="ours", member=ann)
        self.assertEqual((self.values(names, "member"), self.values(names, "uniqueMember")), ([ann], []))
        self.assertEqual((self.values(unique, "member"), self.values(unique, "uniqueMember")), ([], [ann]))
        self.assertEqual((self.values(ours, "member"), self.values(ours, "uniqueMember")), ([ann], [ann]))
        self.assertEqual(self.names(f"(uniqueMember={ann})"), ["ours", "unique"])
        self.assertEqual(self.names(f"(member={ann})"), ["names", "ours"])
        self.assertEqual(self.names("(uniqueMember=*)"), ["ours", "unique"])
        self.assertEqual(self.names(f"(&(objectClass=groupOfUniqueNames)(uniqueMember={ann}))"), ["ours", "unique"], "as vCenter asks")
        with self.assertRaises(ldap.NO_SUCH_ATTRIBUTE):
            self.c.compare_s(names, "uniqueMember", ann.encode())

    def test_a_group_of_ours_is_a_group_of_names_in_both_forms_and_may_be_empty(self):
        empty = self.add(f"cn=empty,{self.base}", "hcGroup", cn="empty")
        listed = self.add(f"cn=listed,{self.base}", "top", "groupOfNames", "groupOfUniqueNames", "hcGroup", cn="listed")
        for name in ("groupOfNames", "groupOfUniqueNames", "hcGroup"):
            self.assertEqual(self.names(f"(objectClass={name})"), ["empty", "listed"], name)
        self.assertEqual(self.names("(structuralObjectClass=hcGroup)"), ["empty", "listed"])
        self.modify(empty, ldap.MOD_ADD, "objectClass", "groupOfNames")
        ann = self.person("ann")
        for group in (empty, listed):
            self.modify(group, ldap.MOD_ADD, "member", ann)
            self.modify(group, ldap.MOD_DELETE, "uniqueMember", ann)
            self.assertEqual(self.values(group, "member"), [], "the last member may go")
            self.modify(group, ldap.MOD_REPLACE, "description", "empty again")
        with self.assertRaises(ldap.OBJECT_CLASS_VIOLATION):
            self.add(f"cn=plain,{self.base}", "groupOfNames", cn="plain")
        with self.assertRaises(ldap.OBJECT_CLASS_VIOLATION):
            self.add(f"cn=two,{self.base}", "groupOfNames", "groupOfUniqueNames", cn="two", member=ann)

    def test_the_subschema_says_what_a_group_of_ours_is_and_may_lack(self):
        (_, entry), = self.c.search_s("cn=Subschema", ldap.SCOPE_BASE, "(objectClass=subschema)", ["objectClasses", "attributeTypes"])
        schema = ldap.schema.SubSchema(entry)
        ours = schema.get_obj(ldap.schema.ObjectClass, "hcGroup")
        self.assertEqual((ours.kind, ours.sup), (0, ("groupOfNames", "groupOfUniqueNames")))
        self.assertEqual((ours.must, {"member", "uniqueMember"} <= set(ours.may)), (("cn",), True))
        text, = (text.decode() for text in entry["objectClasses"] if b"NAME 'hcGroup'" in text)
        self.assertIn("X-MAY-LACK ( 'member' 'uniqueMember' )", text)

    def test_r8_roles_are_read_as_groups(self):
        user = self.demo.users[0][0]
        role = self.values(user, "hcEffectiveRole")[0]
        self.assertIn(user, self.values(role, "member"))
        self.assertIn(user, self.values(role, "uniqueMember"))
        self.assertIn(role, self.values(user, "memberOf"))
        self.assertIn(ldap.dn.str2dn(role)[0][0][1], self.names(f"(member={user})", self.demo.organisation))
        held = self.c.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(memberOf={role})", ["1.1"])
        self.assertIn(user, [dn for dn, _ in held])
        with self.assertRaises(ldap.UNWILLING_TO_PERFORM):
            self.modify(role, ldap.MOD_ADD, "member", self.person("ann"))

    def test_r8_permissions_follow_from_roles(self):
        for user, _ in self.demo.users:
            permissions = self.values(user, "hcPermission")
            for permission in permissions:
                search = f"(&(uid=*)(hcPermission={permission}))"
                found = self.c.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, search, ["1.1"])
                self.assertIn(user, [dn for dn, _ in found])
        self.assertTrue(any(self.values(user, "hcPermission") for user, _ in self.demo.users))

    def test_s13_seats_and_their_end_are_shown(self):
        session = self.connect(self.demo.users[0])
        session.whoami_s()
        licence, = self.c.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(&(objectClass=hcLicence)(hcSessionsInUse>=1))", ["hcSessionsInUse"])
        self.assertEqual(licence[1]["hcSessionsInUse"], [b"1"])
        (_, entry), = self.c.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcSession)", ["*", "hcSessionExpires"])
        self.assertGreater(entry["hcSessionExpires"][0], entry["hcLastActivity"][0])


class Dynamic(OneDemo):
    def dynamic(self, name, *urls, **more):
        return self.add(f"cn={name},{self.base}", "groupOfURLs", cn=name, memberURL=urls, **more)

    def people(self):
        return self.person("ann", title="boss"), self.person("bob", title="clerk"), self.person("cid", title="boss")

    def test_members_are_what_the_urls_find(self):
        ann, bob, cid = self.people()
        group = self.dynamic("bosses", f"ldap:///{self.base}??sub?(title=boss)")
        self.assertEqual(self.values(group, "member"), [ann, cid])
        self.assertEqual(self.names(f"(member={ann})"), ["bosses"])
        self.assertEqual(self.names(f"(member={bob})"), [])
        self.assertEqual(self.names(f"(memberOf={group})"), ["ann", "cid"])
        self.assertEqual(self.values(ann, "memberOf"), [group])
        self.assertEqual(self.values(bob, "memberOf"), [])
        self.assertTrue(self.c.compare_s(group, "member", ann.encode()))
        self.modify(bob, ldap.MOD_REPLACE, "title", "boss")
        self.assertEqual(self.values(group, "member"), [ann, bob, cid])

    def test_dynamic_groups_nest_and_have_links_too(self):
        ann, bob, cid = self.people()
        group = self.dynamic("bosses", f"ldap:///{self.base}??one?(title=boss)", member=bob)
        outer = self.add(f"cn=outer,{self.base}", "groupOfNames", cn="outer", member=group)
        self.assertEqual(self.values(group, "member"), [ann, bob, cid])
        self.assertEqual(self.values(ann, "memberOf"), [group, outer])
        self.assertEqual(self.names(f"(memberOf={outer})"), ["ann", "bob", "bosses", "cid"])
        self.assertEqual(self.names(f"(member:{IN_CHAIN}:={ann})"), ["bosses", "outer"])

    def test_urls_that_lead_elsewhere_find_nothing(self):
        self.people()
        other, filter = self.demo.organisation, "(uid=*)"
        urls = (f"ldap:///{other}??sub?{filter}", f"ldap://elsewhere/{self.base}??sub?{filter}", f"ldap:///{self.base}?cn?sub?{filter}",
                f"ldap:///{self.base}??sub?(userPassword=*)")
        with self.assertRaises(ldap.INVALID_SYNTAX):
            self.dynamic("none", *urls, "nonsense")
        group = self.dynamic("none", *urls)
        self.assertEqual(self.values(group, "member"), [])
        self.assertEqual(self.names(f"(member=uid=ann,{self.base})"), [])

    def test_hc1_a_reader_sees_the_members_it_could_find_itself(self):
        # What a service account may see of another organisation is nothing, and of its own what the config gives it.
        ann, _, _ = self.people()
        group = self.dynamic("bosses", f"ldap:///{self.base}??sub?(title=boss)")
        user, password = f"uid=me,{self.base}", "a password of sufficient length 17"
        self.add(user, "inetOrgPerson", "hcUser", cn="me", sn="me", uid="me", mail="me@example.com", hcUserType="app", title="boss", userPassword=password)
        self.add(f"cn=standard,ou=licences,{self.base}", "hcLicence", cn="standard", hcSessionLimit="3", hcLicenceDefault="TRUE")
        mine = self.connect((user, password))
        self.assertEqual(self.names(f"(member={user})", connection=self.c), ["bosses"])
        self.assertEqual(self.values(group, "member"), sorted([ann, f"uid=cid,{self.base}", user]))
        self.assertEqual(self.values(user, "memberOf", mine), [group], "it finds itself")


class Clients(OneDemo):
    """What real clients send, word for word."""

    def directory(self):
        ann = self.account("ann", 1001)
        self.add(f"cn=staff,{self.base}", "posixGroup", cn="staff", gidNumber="100", memberUid="ann")
        self.add(f"cn=wheel,{self.base}", "groupOfNames", "posixGroup", cn="wheel", gidNumber="10", member=ann)
        return ann

    def test_sssd_in_both_forms(self):
        ann = self.directory()
        user = "(&(uid=ann)(objectclass=posixAccount)(uid=*)(&(uidNumber=*)(!(uidNumber=0))))"
        self.assertEqual(self.names(user), ["ann"])
        initgroups = "(&(memberuid=ann)(objectclass=posixGroup)(cn=*)(&(gidNumber=*)(!(gidNumber=0))))"
        self.assertEqual(self.names(initgroups), ["staff", "wheel"])
        bis = f"(&(member={ann})(|(objectClass=posixGroup)(objectClass=groupOfNames))(cn=*)(&(gidNumber=*)(!(gidNumber=0))))"
        self.assertEqual(self.names(bis), ["wheel"])
        self.assertEqual(self.names("(&(gidNumber=100)(objectclass=posixGroup)(cn=*)(&(gidNumber=*)(!(gidNumber=0))))"), ["staff"])

    def test_nslcd_in_both_forms(self):
        ann = self.directory()
        self.assertEqual(self.names("(&(objectClass=posixAccount)(uid=ann))"), ["ann"])
        self.assertEqual(self.names("(&(objectClass=posixGroup)(|(memberUid=ann)(member=%s)))" % ann), ["staff", "wheel"])
        self.assertEqual(self.names("(&(objectClass=posixGroup)(gidNumber=10))"), ["wheel"])

    def test_true_nas_asks_for_many_attributes_and_object_guid_is_octets(self):
        self.directory()
        wanted = ("objectClass uid cn sn userPassword uidNumber gidNumber gecos homeDirectory loginShell krbPrincipalName memberOf "
                  "modifyTimestamp shadowLastChange shadowMin shadowMax shadowWarning shadowInactive shadowExpire shadowFlag "
                  "krbLastPwdChange krbPasswordExpiration pwdAttribute authorizedService accountExpires userAccountControl nsAccountLock "
                  "host rhost loginDisabled loginExpirationTime loginAllowedTimeMap sshPublicKey mail entryUUID").split()
        self.assertEqual(len(wanted), 35)
        (_, entry), = self.c.search_s(self.base, ldap.SCOPE_SUBTREE, "(&(uid=ann)(objectclass=posixAccount))", wanted)
        self.assertEqual(entry["uidNumber"], [b"1001"])
        self.assertNotIn("userPassword", entry)
        self.assertEqual(self.names(r"(objectGUID=\ff\01\00\2a)"), [])

    def test_duo_wants_names_and_identifiers(self):
        ann = self.directory()
        (_, entry), = self.c.search_s(self.base, ldap.SCOPE_SUBTREE, "(objectClass=groupOfNames)", ["member", "cn", "entryDN", "entryUUID"])
        self.assertEqual((entry["member"], entry["cn"], entry["entryDN"]), ([ann.encode()], [b"wheel"], [f"cn=wheel,{self.base}".encode()]))
        self.assertEqual(len(entry["entryUUID"][0]), 36)

    def test_nextcloud_asks_for_dn_and_opn_sense_for_cn(self):
        ann = self.directory()
        (dn, entry), = self.c.search_s(self.base, ldap.SCOPE_SUBTREE, "(&(|(objectclass=groupOfNames))(cn=wheel))", ["dn", "cn"])
        self.assertEqual((dn, entry), (f"cn=wheel,{self.base}", {"cn": [b"wheel"]}))
        self.assertEqual(self.names(f"(&(objectclass=groupOfNames)(member:{IN_CHAIN}:={ann}))"), ["wheel"])
        self.assertEqual(self.names(f"(memberOf:{IN_CHAIN}:=cn=wheel,{self.base})"), ["ann"])


class Aliases(OneDemo):
    def alias(self, name, target, under=None):
        dn = f"ou={name},{under or self.base}"
        return self.add(dn, "alias", "extensibleObject", ou=name, aliasedObjectName=target)

    def search(self, deref, base=None, scope=ldap.SCOPE_SUBTREE, search="(objectClass=*)"):
        self.c.set_option(ldap.OPT_DEREF, deref)
        try:
            return self.names(search, base, scope)
        finally:
            self.c.set_option(ldap.OPT_DEREF, ldap.DEREF_NEVER)

    def tree(self):
        self.people = self.add(f"ou=people,{self.base}", "organizationalUnit")
        self.add(f"cn=ann,{self.people}", "person", cn="ann", sn="x")
        self.place = self.add(f"ou=place,{self.base}", "organizationalUnit")
        self.link = self.alias("link", self.people, self.place)

    def test_each_choice_of_deref(self):
        self.tree()
        self.assertEqual(self.search(ldap.DEREF_NEVER, self.link), ["link"])
        self.assertEqual(self.search(ldap.DEREF_SEARCHING, self.link), ["link"])
        self.assertEqual(self.search(ldap.DEREF_FINDING, self.link), ["ann", "people"])
        self.assertEqual(self.search(ldap.DEREF_ALWAYS, f"cn=ann,{self.link}", ldap.SCOPE_BASE), ["ann"])
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            self.search(ldap.DEREF_SEARCHING, f"cn=ann,{self.link}")
        self.assertEqual(self.search(ldap.DEREF_NEVER, self.place), ["link", "place"])
        self.assertEqual(self.search(ldap.DEREF_SEARCHING, self.place), ["ann", "people", "place"])
        self.assertEqual(self.search(ldap.DEREF_SEARCHING, self.place, ldap.SCOPE_ONELEVEL), ["people"])
        self.assertEqual(self.search(ldap.DEREF_ALWAYS, self.base), ["ann", "people", "place", self._testMethodName], "each once")
        self.assertEqual(self.search(ldap.DEREF_ALWAYS, self.place, search="(cn=ann)"), ["ann"])

    def test_circles_and_dangling_aliases_are_problems(self):
        first = self.alias("first", f"ou=second,{self.base}")
        self.alias("second", first)
        gone = self.alias("gone", f"ou=nowhere,{self.base}")
        with self.assertRaises(ldap.ALIAS_PROBLEM):
            self.search(ldap.DEREF_FINDING, first)
        with self.assertRaises(ldap.ALIAS_PROBLEM):
            self.search(ldap.DEREF_ALWAYS, gone)
        self.assertEqual(self.search(ldap.DEREF_SEARCHING), [self._testMethodName])
        self.assertEqual(self.search(ldap.DEREF_NEVER), ["first", "gone", "second", self._testMethodName])

    def test_an_alias_follows_renames_and_nothing_stands_below_it(self):
        self.tree()
        self.c.rename_s(self.people, "ou=folk", delold=1)
        self.assertEqual(self.search(ldap.DEREF_FINDING, self.link), ["ann", "folk"])
        with self.assertRaises(ldap.ALIAS_PROBLEM):
            self.add(f"cn=bob,{self.link}", "person", cn="bob", sn="x")
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            self.modify(f"cn=ann,{self.link}", ldap.MOD_REPLACE, "sn", "y")


class Referrals(OneDemo):
    def setUp(self):
        super().setUp()
        self.referral = f"ou=there,{self.base}"
        entry = [("objectClass", [b"referral", b"extensibleObject"]), ("ou", b"there"), ("ref", [b"ldap://b.example/ou=x,dc=b", b"ldap://c.example"])]
        self.c.add_ext_s(self.referral, entry, serverctrls=[MANAGE])

    def url(self, call):
        """The first URL of a referral result; python-ldap tells of no other."""
        with self.assertRaises(ldap.REFERRAL) as raised:
            call()
        answer = raised.exception.args[0]
        self.assertEqual(answer.get("matched"), self.referral)
        return next(line for line in answer["info"].split("\n") if line.startswith("ldap"))

    def test_rfc3296_operations_are_sent_on(self):
        here, below = self.referral, f"cn=ann,{self.referral}"
        at = lambda name, more="": f"ldap://b.example/{name}ou=x,dc=b{more}"
        self.assertEqual(self.url(lambda: self.c.search_s(here, ldap.SCOPE_BASE)), at("", "??base"))
        self.assertEqual(self.url(lambda: self.c.search_s(below, ldap.SCOPE_SUBTREE)), at("cn=ann,", "??sub"))
        self.assertEqual(self.url(lambda: self.c.compare_s(below, "cn", b"ann")), at("cn=ann,"))
        self.assertEqual(self.url(lambda: self.modify(below, ldap.MOD_REPLACE, "sn", "x")), at("cn=ann,"))
        self.assertEqual(self.url(lambda: self.c.delete_s(here)), at(""))
        self.assertEqual(self.url(lambda: self.add(below, "person", cn="ann", sn="x")), at("cn=ann,"))
        self.assertEqual(self.url(lambda: self.c.rename_s(below, "cn=bob")), at("cn=ann,"))
        search = ["ldapsearch", "-x", "-LLL", "-o", "ldif_wrap=no", "-H", self.demo.ldap, "-D", self.demo.operator[0], "-w", self.demo.operator[1]]
        said = subprocess.run([*search, "-b", below], capture_output=True, text=True).stderr
        self.assertIn(f"Referral: ldap://b.example/cn=ann,ou=x,dc=b??sub\nReferral: ldap://c.example/{below}??sub\n", said)
        moved = self.person("bob")
        with self.assertRaises(ldap.AFFECTS_MULTIPLE_DSAS):
            self.c.rename_s(moved, "uid=bob", here)

    def continuations(self, scope, controls=()):
        found = self.c.result(self.c.search_ext(self.base, scope, "(cn=nobody)", serverctrls=list(controls)))[1]
        return [url for dn, urls in found if dn is None for url in urls]

    def test_rfc3296_searches_tell_of_referrals(self):
        here = self.referral
        both = lambda scope: [f"ldap://b.example/ou=x,dc=b??{scope}", f"ldap://c.example/{here}??{scope}"]
        self.assertEqual(self.continuations(ldap.SCOPE_SUBTREE), both("sub"))
        self.assertEqual(self.continuations(ldap.SCOPE_ONELEVEL), both("base"))
        self.assertEqual(self.continuations(ldap.SCOPE_BASE), [])
        self.assertEqual(self.continuations(ldap.SCOPE_SUBTREE, [MANAGE]), [])

    def test_rfc3296_manage_dsa_it_takes_them_as_entries(self):
        found = self.c.search_ext_s(self.referral, ldap.SCOPE_BASE, attrlist=["ref"], serverctrls=[MANAGE])
        self.assertEqual(len(found[0][1]["ref"]), 2)
        self.c.modify_ext_s(self.referral, [(ldap.MOD_REPLACE, "ref", b"ldap://d.example")], serverctrls=[MANAGE])
        self.assertEqual(self.url(lambda: self.c.search_s(self.referral, ldap.SCOPE_BASE)), f"ldap://d.example/{self.referral}??base")
        self.c.delete_ext_s(self.referral, serverctrls=[MANAGE])
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            self.c.search_s(self.referral, ldap.SCOPE_BASE)


class Updates(OneDemo):
    """The result code that each refusal of a change has (RFC 4511 §4.6-4.9, appendix A)."""

    def refused(self, error, call, *arguments):
        with self.assertRaises(error):
            call(*arguments)

    def test_rfc4511_adding(self):
        ann = self.person("ann")
        entry = lambda **more: [("objectClass", b"person"), ("cn", b"x"), *((name, value) for name, value in more.items())]
        at = f"cn=x,{self.base}"
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.add_s, at, entry())
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.add_s, at, entry(sn=b"x", mail=b"x@example.com"))
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.add_s, at, [("cn", b"x"), ("sn", b"x")])
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.add_s, at, [("objectClass", [b"person", b"device"]), ("cn", b"x"), ("sn", b"x")])
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.add_s, at, [("objectClass", [b"top"]), ("cn", b"x")])
        self.refused(ldap.UNDEFINED_TYPE, self.c.add_s, at, entry(sn=b"x", noSuchType=b"x"))
        self.refused(ldap.INVALID_SYNTAX, self.c.add_s, at, entry(sn=b"x", seeAlso=b"no name"))
        self.refused(ldap.TYPE_OR_VALUE_EXISTS, self.c.add_s, at, entry(sn=[b"x", b"X"]))
        self.refused(ldap.NAMING_VIOLATION, self.c.add_s, f"cn=x+cn=other,{self.base}", entry(sn=b"x"))
        self.refused(ldap.ALREADY_EXISTS, self.c.add_s, ann.upper(), [("objectClass", b"person"), ("cn", b"x"), ("sn", b"x")])
        self.refused(ldap.NO_SUCH_OBJECT, self.c.add_s, f"cn=x,cn=nobody,{self.base}", entry(sn=b"x"))
        self.refused(ldap.NO_SUCH_OBJECT, self.c.add_s, "cn=x,dc=elsewhere", entry(sn=b"x"))
        self.refused(ldap.INVALID_DN_SYNTAX, self.c.add_s, "no name", entry(sn=b"x"))
        self.refused(ldap.CONSTRAINT_VIOLATION, self.c.add_s, at, entry(sn=b"x", createTimestamp=b"20200101000000Z"))

    def test_rfc4511_modifying(self):
        ann = self.person("ann", description=["one", "two"], displayName="Ann")
        refused = lambda error, *change: self.refused(error, self.modify, ann, *change)
        refused(ldap.NO_SUCH_ATTRIBUTE, ldap.MOD_DELETE, "title")
        refused(ldap.NO_SUCH_ATTRIBUTE, ldap.MOD_DELETE, "description", "three")
        refused(ldap.TYPE_OR_VALUE_EXISTS, ldap.MOD_ADD, "description", "ONE")
        refused(ldap.TYPE_OR_VALUE_EXISTS, ldap.MOD_REPLACE, "description", "x", "X")
        refused(ldap.CONSTRAINT_VIOLATION, ldap.MOD_ADD, "displayName", "Other")
        refused(ldap.INVALID_SYNTAX, ldap.MOD_ADD, "manager", "nobody")
        refused(ldap.UNDEFINED_TYPE, ldap.MOD_ADD, "noSuchType", "x")
        refused(ldap.NOT_ALLOWED_ON_RDN, ldap.MOD_DELETE, "uid", "ann")
        refused(ldap.OBJECT_CLASS_VIOLATION, ldap.MOD_DELETE, "sn")
        refused(ldap.OBJECT_CLASS_VIOLATION, ldap.MOD_ADD, "uidNumber", "1")
        refused(ldap.INVALID_SYNTAX, ldap.MOD_ADD, "objectClass", "noSuchClass")
        refused(ldap.NO_OBJECT_CLASS_MODS, ldap.MOD_REPLACE, "objectClass", "account", "extensibleObject")
        refused(ldap.CONSTRAINT_VIOLATION, ldap.MOD_REPLACE, "memberOf", self.base)
        self.refused(ldap.NO_SUCH_OBJECT, self.modify, f"uid=nobody,{self.base}", ldap.MOD_REPLACE, "sn", "x")

    def test_rfc4511_deleting_and_renaming(self):
        ann, bob = self.person("ann"), self.person("bob")
        self.refused(ldap.NOT_ALLOWED_ON_NONLEAF, self.c.delete_s, self.base)
        self.refused(ldap.NO_SUCH_OBJECT, self.c.delete_s, f"uid=nobody,{self.base}")
        self.refused(ldap.ALREADY_EXISTS, self.c.rename_s, ann, "uid=BOB")
        self.refused(ldap.NO_SUCH_OBJECT, self.c.rename_s, ann, "uid=ann", f"ou=nowhere,{self.base}")
        self.refused(ldap.INVALID_DN_SYNTAX, self.c.rename_s, ann, "no name")
        self.refused(ldap.UNDEFINED_TYPE, self.c.rename_s, ann, "noSuchType=x")
        self.refused(ldap.NAMING_VIOLATION, self.c.rename_s, ann, f"member={ldap.dn.escape_dn_chars(bob)}")
        self.refused(ldap.OBJECT_CLASS_VIOLATION, self.c.rename_s, ann, "uidNumber=1")
        self.refused(ldap.UNWILLING_TO_PERFORM, self.c.rename_s, self.base, "o=x", f"ou=users,{self.demo.organisation}")


class Descriptions(OneDemo):
    """Subtypes and options (RFC 4512 §2.5, RFC 3866)."""

    def setUp(self):
        super().setUp()
        self.ann = self.add(f"uid=ann,{self.base}", "inetOrgPerson", cn="Ann", sn="Smith", uid="ann",
                            **{"cn;lang-de": "Anna", "cn;lang-de-AT": "Annerl", "userCertificate;binary": "0\x06octets", "title;x-own": "boss"})

    def shown(self, *attributes):
        (_, entry), = self.c.search_s(self.ann, ldap.SCOPE_BASE, attrlist=list(attributes))
        return {name.lower(): sorted(value.decode() for value in values) for name, values in entry.items()}

    def test_rfc4512_2_5_what_a_selection_takes(self):
        self.assertEqual(self.shown("cn"), {"cn": ["Ann"], "cn;lang-de": ["Anna"], "cn;lang-de-at": ["Annerl"]})
        self.assertEqual(self.shown("cn;lang-de"), {"cn;lang-de": ["Anna"]})
        self.assertEqual(self.shown("cn;lang-de-"), {"cn;lang-de": ["Anna"], "cn;lang-de-at": ["Annerl"]}, "a range (RFC 3866 §2.3)")
        self.assertEqual(set(self.shown("name")), {"cn", "cn;lang-de", "cn;lang-de-at", "sn", "title;x-own"})
        self.assertEqual(set(self.shown("name;lang-de")), {"cn;lang-de"})
        self.assertEqual(set(self.shown("userCertificate;binary")), {"usercertificate;binary"})

    def test_rfc4512_2_5_what_a_filter_matches(self):
        self.assertEqual(self.names("(cn=Annerl)"), ["ann"])
        self.assertEqual(self.names("(cn;lang-de=Anna)"), ["ann"])
        self.assertEqual(self.names("(cn;lang-de=Annerl)"), [])
        self.assertEqual(self.names("(cn;lang-de-=Annerl)"), ["ann"])
        self.assertEqual(self.names("(name;lang-de=Anna)"), ["ann"])
        self.assertEqual(self.names("(cn;lang-fr=Anna)"), [])
        self.assertEqual(self.names("(cn;lang-de=Ann)"), [])
        self.assertEqual(self.names("(title;X-OWN=BOSS)"), ["ann"])
        self.assertTrue(self.c.compare_s(self.ann, "cn", b"anna"))
        self.assertTrue(self.c.compare_s(self.ann, "cn;lang-de", b"anna"))
        self.assertFalse(self.c.compare_s(self.ann, "cn;lang-de", b"ann"))

    def test_rfc4512_2_5_changes_are_of_one_description(self):
        self.modify(self.ann, ldap.MOD_DELETE, "cn;lang-de")
        self.assertEqual(self.shown("cn"), {"cn": ["Ann"], "cn;lang-de-at": ["Annerl"]})
        self.modify(self.ann, ldap.MOD_ADD, "cn;lang-fr", "Anne")
        self.modify(self.ann, ldap.MOD_REPLACE, "cn;lang-de-at")
        self.assertEqual(self.shown("cn"), {"cn": ["Ann"], "cn;lang-fr": ["Anne"]})
        with self.assertRaises(ldap.NO_SUCH_ATTRIBUTE):
            self.modify(self.ann, ldap.MOD_DELETE, "cn;lang-de")
        for wrong in ("cn;no-such-option", "cn;binary", "cn;lang-de-", "member;lang-de"):
            with self.assertRaises(ldap.UNDEFINED_TYPE):
                self.modify(self.ann, ldap.MOD_ADD, wrong, "x")
