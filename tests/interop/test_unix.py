"""sssd and nslcd with NSS and PAM: names, groups and a login, with groups by login name (RFC 2307) and by DN (RFC 2307bis)."""

import os
import unittest

import office
from demo import eventually

UNIX, GROUPS = f"ou=unix,{office.ORGANISATION}", f"ou=groups,{office.ORGANISATION}"


class Unix:
    """What holds for both clients in both forms. A subclass says how its daemon is started.

    `form` is what sssd and nslcd call it, `groups` where the groups are, `new` what makes chloe a member of one.
    """

    form = groups = new = None
    service = None
    module = None

    @classmethod
    def setUpClass(cls):
        office.move_in(cls)
        cls.box.write("/etc/office-ca.pem", cls.office.ca.read_text())
        cls.box.write("/etc/nsswitch.conf", f"passwd: files {cls.service}\ngroup: files {cls.service}\nshadow: files\n")
        for service in ("office", "su"):
            cls.box.write(f"/etc/pam.d/{service}", "".join(f"{kind} required {cls.module}\n" for kind in ("auth", "account", "password"))
                          + "session required pam_permit.so\n")
        cls.log = cls.office.folder / f"{cls.__name__}.log"
        cls.file = open(cls.log, "ab")
        cls.process = cls.launch()

        def up():
            if cls.process.poll() is not None:
                raise RuntimeError(f"it ended with {cls.process.returncode}: {cls.said()}")
            return cls.box.run("getent", "passwd", "anna").returncode == 0

        try:
            eventually("anna is known", up, 30)
        except Exception:
            print(cls.said())
            cls.end()
            raise

    @classmethod
    def said(cls):
        return cls.log.read_text(errors="replace")[-6000:]

    @classmethod
    def end(cls):
        # The daemon forks children of its own; they are all of the box.
        cls.box.run("pkill", "-TERM", "-x", cls.pattern)
        try:
            cls.process.wait(20)
        except Exception:
            cls.process.kill()
        cls.file.close()

    @classmethod
    def tearDownClass(cls):
        cls.end()

    def getent(self, *arguments):
        done = self.box.run("getent", *arguments)
        return done.returncode, done.stdout.strip()

    def test_a_user_by_name_and_by_number(self):
        line = "anna:{}:20001:30001:Anna Example:/home/anna:/bin/sh"
        for key in ("anna", "20001"):
            code, text = self.getent("passwd", key)
            self.assertEqual(code, 0, self.said())
            self.assertEqual(text, line.format(text.split(":")[1]))
        self.assertEqual(self.getent("passwd", "nobody-of-this-name")[0], 2)

    def test_a_group_by_name_and_by_number_has_its_members(self):
        for key in ("accounts", "30001"):
            code, text = self.getent("group", key)
            self.assertEqual(code, 0, self.said())
            name, _, number, members = text.split(":")
            self.assertEqual((name, number, sorted(members.split(","))), ("accounts", "30001", ["anna", "ben"]))

    def test_a_group_without_members(self):
        code, text = self.getent("group", "empty")
        self.assertEqual((code, text.split(":")[2:]), (0, ["30003", ""]), self.said())

    def test_id_shows_all_groups(self):
        shown = self.box.run("id", "anna").stdout
        self.assertIn("uid=20001(anna) gid=30001(accounts)", shown)
        self.assertIn("30002(wardens)", shown)
        self.assertNotIn("wardens", self.box.run("id", "ben").stdout)

    def test_a_new_member_is_seen(self):
        name, attribute = f"cn=wardens,{self.groups}", self.new.partition(":")[0]
        self.office.modify(f"dn: {name}\nchangetype: modify\nadd: {attribute}\n{self.new}\n")
        self.addCleanup(self.office.modify, f"dn: {name}\nchangetype: modify\ndelete: {attribute}\n{self.new}\n")
        self.forget()
        eventually("chloe is a warden", lambda: "wardens" in self.box.run("id", "chloe").stdout)

    def log_in(self, uid, password):
        return self.box.run("pamtester", "office", uid, "authenticate", "acct_mgmt", text=password + "\n")

    def test_a_login_takes_a_seat_of_the_licence_of_this_listener(self):
        self.office.end_sessions()
        done = self.log_in("anna", office.PASSWORDS["anna"])
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{self.said()}")
        self.assertEqual(self.office.sessions(), {("anna", "Unix hosts")})

    def test_a_wrong_password_is_no_login(self):
        self.office.end_sessions()
        done = self.log_in("ben", "something else entirely")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("uthentication", done.stdout + done.stderr)
        self.assertEqual(self.office.sessions(), set())

    def test_s4_no_login_where_no_seat_is_free(self):
        self.office.end_sessions()
        licence = f"dn: cn=Unix hosts,ou=licences,{office.ORGANISATION}\nchangetype: modify\nreplace: hcSessionLimit\nhcSessionLimit: "
        self.office.modify(licence + "1\n")
        self.addCleanup(self.office.modify, licence + "20\n")
        self.assertEqual(self.log_in("anna", office.PASSWORDS["anna"]).returncode, 0)
        self.assertNotEqual(self.log_in("ben", office.PASSWORDS["ben"]).returncode, 0)
        self.office.end_sessions()
        self.assertEqual(self.log_in("ben", office.PASSWORDS["ben"]).returncode, 0)

    def test_su_to_a_user_of_the_directory(self):
        done = self.box.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "su", "anna", "-c", "id -un; id -Gn",
                            text=office.PASSWORDS["anna"] + "\n")
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{self.said()}")
        self.assertIn("anna\n", done.stdout)
        self.assertIn("wardens", done.stdout)

    def test_an_own_password_can_be_changed(self):
        old, new = office.PASSWORDS["chloe"], "sixty calm rivers of chloe"
        done = self.box.run("pamtester", "office", "chloe", "chauthtok", text=f"{old}\n{new}\n{new}\n")
        # Root is not asked for the old one by every module: then it is refused, and a user is asked.
        if done.returncode:
            done = self.box.run("setpriv", "--reuid=20003", "--regid=30001", "--clear-groups", "pamtester", "office", "chloe", "chauthtok",
                                text=f"{old}\n{new}\n{new}\n")
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{self.said()}")
        try:
            self.assertEqual(self.log_in("chloe", new).returncode, 0)
        finally:
            self.office.modify(f"dn: {office.dn('chloe')}\nchangetype: modify\nreplace: userPassword\nuserPassword: {old}\n")


class Sssd(Unix):
    service, module, pattern = "sss", "pam_sss.so", "sssd"

    @classmethod
    def launch(cls):
        cls.box.run("sh", "-c", "rm -rf /var/lib/sss/db/* /var/lib/sss/mc/* /run/sssd.pid; mkdir -p /run/dbus")
        cls.box.write(
            "/etc/sssd/sssd.conf",
            "[sssd]\nservices = nss, pam\ndomains = office\n"
            "[nss]\nfilter_users = root\nentry_negative_timeout = 0\nmemcache_timeout = 0\n"
            "[domain/office]\nid_provider = ldap\nauth_provider = ldap\nchpass_provider = ldap\naccess_provider = permit\n"
            f"ldap_uri = {cls.office.tls_url}\nldap_tls_cacert = /etc/office-ca.pem\nldap_tls_reqcert = demand\n"
            f"ldap_schema = {cls.form}\nldap_search_base = {office.ORGANISATION}\n"
            f"ldap_user_search_base = ou=users,{office.ORGANISATION}\nldap_group_search_base = {cls.groups}\n"
            f"ldap_default_bind_dn = {office.READER[0]}\nldap_default_authtok = {office.READER[1]}\n"
            "ldap_id_use_start_tls = false\nenumerate = false\ncache_credentials = false\nentry_cache_timeout = 1\n",
            0o600,
        )
        return cls.box.start("sssd", "-i", "-d", "3", "--logger=stderr", log=cls.file)

    @classmethod
    def forget(cls):
        cls.box.run("sss_cache", "-E")


class Nslcd(Unix):
    service, module, pattern = "ldap", "pam_ldap.so", "nslcd"

    @classmethod
    def launch(cls):
        cls.box.run("mkdir", "-p", "/run/nslcd")
        cls.box.run("chown", "nslcd:nslcd", "/run/nslcd")
        groups = {
            "rfc2307": "filter group (objectClass=posixGroup)\n",
            "rfc2307bis": "filter group (objectClass=posixGroup)\nmap group member member\n",
        }[cls.form]
        cls.box.write(
            "/etc/nslcd.conf",
            f"uid nslcd\ngid nslcd\nuri {cls.office.tls_url}\nbase {office.ORGANISATION}\n"
            f"base passwd ou=users,{office.ORGANISATION}\nbase group {cls.groups}\n"
            f"binddn {office.READER[0]}\nbindpw {office.READER[1]}\ntls_reqcert demand\ntls_cacertfile /etc/office-ca.pem\n{groups}",
            0o640,
        )
        cls.box.run("chgrp", "nslcd", "/etc/nslcd.conf")
        return cls.box.start("nslcd", "-n", "-d", log=cls.file)

    @classmethod
    def forget(cls):
        """It keeps names of members for a while; the groups of a user it looks up each time."""


class ByName:
    """RFC 2307: members by login name, as they are stored."""

    form, groups, new = "rfc2307", UNIX, "memberUid: chloe"


class ByNameFromLinks:
    """RFC 2307: members by login name, read from the links of a group whose members are people."""

    form, groups, new = "rfc2307", GROUPS, f"member: {office.dn('chloe')}"


class ByDn:
    """RFC 2307bis: members by DN."""

    form, groups, new = "rfc2307bis", GROUPS, f"member: {office.dn('chloe')}"


class SssdByName(ByName, Sssd, unittest.TestCase):
    pass


class SssdByNameFromLinks(ByNameFromLinks, Sssd, unittest.TestCase):
    pass


class SssdByDn(ByDn, Sssd, unittest.TestCase):
    pass


class NslcdByName(ByName, Nslcd, unittest.TestCase):
    pass


class NslcdByNameFromLinks(ByNameFromLinks, Nslcd, unittest.TestCase):
    pass


class NslcdByDn(ByDn, Nslcd, unittest.TestCase):
    pass
