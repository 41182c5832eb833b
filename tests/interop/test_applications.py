"""Applications from Debian sign people in and look things up: Apache, Postfix, Dovecot, FreeRADIUS, ldapvi, phpLDAPadmin."""

import re
import subprocess
import unittest
from urllib.parse import quote

import office
import servers
from demo import eventually

CA = "/etc/office/ca.pem"


class Application(unittest.TestCase):
    """A daemon of the box, started once for the tests of its class."""

    daemon = None

    @classmethod
    def setUpClass(cls):
        office.move_in(cls)
        cls.box.write(CA, cls.office.ca.read_text())
        cls.port = servers.free_port()
        cls.configure()
        cls.process = None
        if cls.daemon:
            cls.log = open(cls.office.folder / f"{cls.__name__}.log", "ab")
            cls.process = cls.box.start(*cls.daemon, log=cls.log)
            try:
                eventually("it is up", cls.is_up)
            except AssertionError:
                cls.tearDownClass()
                raise AssertionError(cls.said()) from None

    @classmethod
    def tearDownClass(cls):
        if cls.process:
            # Signals go to the daemon: the process here is the one that entered the box.
            cls.box.run("pkill", "-TERM", "-x", cls.process_name)
            try:
                cls.process.wait(20)
            except subprocess.TimeoutExpired:
                cls.process.kill()
                cls.process.wait()
            cls.log.close()

    @classmethod
    def said(cls):
        return (cls.office.folder / f"{cls.__name__}.log").read_text(errors="replace")[-4000:]

    def setUp(self):
        self.office.end_sessions()


class Apache(Application):
    daemon = ("apache2", "-f", "/etc/office/apache.conf", "-DFOREGROUND")
    process_name = "apache2"

    @classmethod
    def configure(cls):
        modules = ("mpm_event", "authn_core", "auth_basic", "authz_core", "authz_user", "ldap", "authnz_ldap", "dir")
        groups = f"ou=groups,{office.ORGANISATION}"
        requirements = {
            "anybody": "valid-user",
            "accounts": f"ldap-group cn=accounts,{groups}",
            "wardens": f"ldap-group cn=wardens,{groups}",
            "filter": "ldap-filter &(givenName=Ben)(memberOf=cn=accounts," + groups + ")",
            "attribute": "ldap-attribute employeeType=active gidNumber=30001",
            "dn": f"ldap-dn {office.dn('chloe')}",
        }
        places = "".join(
            f'<Location "/{name}">\nAuthType Basic\nAuthName office\nAuthBasicProvider ldap\n'
            f'AuthLDAPURL "ldap://127.0.0.1:{cls.office.port}/ou=users,{office.ORGANISATION}?uid?one?(objectClass=inetOrgPerson)" STARTTLS\n'
            f'AuthLDAPBindDN "{office.READER[0]}"\nAuthLDAPBindPassword "{office.READER[1]}"\nRequire {requirement}\n</Location>\n'
            for name, requirement in requirements.items()
        )
        cls.box.write(
            "/etc/office/apache.conf",
            "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
            + f"ServerRoot /etc/apache2\nServerName office\nListen 127.0.0.1:{cls.port}\nPidFile /run/office-apache.pid\n"
            "User www-data\nGroup www-data\nErrorLog /dev/stderr\nLogLevel warn authnz_ldap:debug ldap:debug\nDocumentRoot /var/www/office\n"
            "DefaultRuntimeDir /run\nMutex file:/run\n"
            # Without its cache each request binds, so that each is shown. A kept connection is still that of the last user
            # who signed in over it; where that session is ended the server ends the connection (S6), and the next request
            # of anybody would find it so: mod_ldap opens another for some result codes only, and not for this one.
            f"LDAPTrustedGlobalCert CA_BASE64 {CA}\nLDAPCacheEntries 0\nLDAPOpCacheEntries 0\nLDAPConnectionPoolTTL 0\n{places}",
        )
        for name in requirements:
            cls.box.write(f"/var/www/office/{name}", "in\n")

    @classmethod
    def is_up(cls):
        return cls.get("anybody", None) == 401

    @classmethod
    def get(cls, place, uid, password=None):
        who = ["-u", f"{uid}:{password or office.PASSWORDS[uid]}"] if uid else []
        shown = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *who, f"http://127.0.0.1:{cls.port}/{place}"],
                               capture_output=True, text=True, timeout=30)
        return int(shown.stdout or 0)

    def check(self, place, **codes):
        self.assertEqual({uid: self.get(place, uid) for uid in codes}, codes, self.said())

    def test_valid_user(self):
        self.check("anybody", anna=200, ben=200, chloe=200)
        self.assertEqual(self.get("anybody", "anna", "not her password"), 401)
        self.assertEqual(self.get("anybody", "zoe", "whatever this may be"), 401)
        self.assertEqual(self.office.sessions(), {(uid, "Desk") for uid in office.PASSWORDS})

    def test_ldap_group(self):
        self.check("accounts", anna=200, ben=200, chloe=401)
        self.check("wardens", anna=200, ben=401, chloe=401)

    def test_ldap_filter(self):
        self.check("filter", anna=401, ben=200, chloe=401)

    def test_ldap_attribute_and_dn(self):
        self.check("attribute", anna=200)
        self.check("dn", anna=401, chloe=200)

    def test_hc7_a_disabled_user_is_out_at_once(self):
        state = f"dn: {office.dn('ben')}\nchangetype: modify\nreplace: hcActive\nhcActive: "
        self.office.modify(state + "FALSE\n")
        self.addCleanup(self.office.modify, state + "TRUE\n")
        self.check("anybody", ben=401, anna=200)

    def test_s4_a_full_licence_lets_nobody_in_and_says_so_in_the_log(self):
        licence = f"dn: cn=Desk,ou=licences,{office.ORGANISATION}\nchangetype: modify\nreplace: hcSessionLimit\nhcSessionLimit: "
        self.office.modify(licence + "1\n")
        self.addCleanup(self.office.modify, licence + "20\n")
        self.check("anybody", anna=200)
        self.assertNotEqual(self.get("anybody", "ben"), 200)
        # mod_authnz_ldap tells the client nothing; who reads its log finds why.
        self.assertIn("Administrative limit exceeded", self.said())


class Postfix(Application):
    @classmethod
    def configure(cls):
        cls.box.write("/etc/office/postfix/main.cf", "compatibility_level = 3.6\nmyhostname = office.example.com\n")
        cls.box.write("/etc/office/postfix/master.cf", "")
        cls.box.run("cp", "-a", "/etc/postfix/dynamicmaps.cf", "/etc/postfix/dynamicmaps.cf.d", "/etc/office/postfix/")
        common = (
            f"server_host = ldap://127.0.0.1:{cls.office.port}\nversion = 3\nstart_tls = yes\ntls_require_cert = yes\n"
            f"tls_ca_cert_file = {CA}\nbind = yes\nbind_dn = {office.READER[0]}\nbind_pw = {office.READER[1]}\n"
            f"search_base = {office.ORGANISATION}\n"
        )
        tables = {
            "aliases": "query_filter = (&(objectClass=posixAccount)(mail=%s))\nresult_attribute = uid\n",
            "mailboxes": "query_filter = (&(objectClass=posixAccount)(mail=%u@%d))\nresult_attribute = homeDirectory\nresult_format = %s/mail\n",
            "members": "query_filter = (&(objectClass=hcGroup)(member=*)(mail=%s))\nspecial_result_attribute = member\nleaf_result_attribute = mail\n",
            "sender": "query_filter = (mail=%s)\nscope = sub\nresult_attribute = mail, uid\n",
        }
        for name, table in tables.items():
            cls.box.write(f"/etc/office/postfix/{name}.cf", common + table)

    def look_up(self, table, key):
        done = self.box.run("postmap", "-c", "/etc/office/postfix", "-q", key, f"ldap:/etc/office/postfix/{table}.cf")
        self.assertEqual(done.stderr, "")
        return done.returncode, sorted(done.stdout.strip().split(",")) if done.stdout else []

    def test_aliases(self):
        self.assertEqual(self.look_up("aliases", "anna@example.com"), (0, ["anna"]))
        self.assertEqual(self.look_up("aliases", "ANNA@Example.com"), (0, ["anna"]))
        self.assertEqual(self.look_up("aliases", "nobody@example.com"), (1, []))
        self.assertEqual(self.look_up("aliases", "anna@example.com)(uid=*"), (1, []))

    def test_result_format(self):
        self.assertEqual(self.look_up("mailboxes", "ben@example.com"), (0, ["/home/ben/mail"]))

    def test_a_group_is_expanded_to_the_addresses_of_its_members(self):
        self.assertEqual(self.look_up("members", "accounts@example.com"), (0, ["anna@example.com", "ben@example.com"]))
        self.assertEqual(self.look_up("members", "empty@example.com"), (1, []))

    def test_several_result_attributes(self):
        self.assertEqual(self.look_up("sender", "chloe@example.com"), (0, ["chloe", "chloe@example.com"]))


class Dovecot(Application):
    daemon = ("dovecot", "-F", "-c", "/etc/office/dovecot.conf")
    process_name = "dovecot"
    binding = f"auth_bind = yes\npass_attrs = uid=user\npass_filter = (&(objectClass=posixAccount)(uid=%n))\n"

    @classmethod
    def configure(cls):
        cls.box.write(
            "/etc/office/dovecot.conf",
            "base_dir = /run/office-dovecot\nprotocols =\nlog_path = /dev/stderr\nauth_debug = yes\nssl = no\nauth_cache_size = 0\n"
            "passdb {\n driver = ldap\n args = /etc/office/dovecot-ldap.conf\n}\n"
            "userdb {\n driver = ldap\n args = /etc/office/dovecot-ldap.conf\n}\n"
            "service auth {\n user = root\n}\n",
        )
        cls.box.write(
            "/etc/office/dovecot-ldap.conf",
            f"uris = ldap://127.0.0.1:{cls.office.port}\ntls = yes\ntls_ca_cert_file = {CA}\ntls_require_cert = demand\n"
            f"dn = {office.READER[0]}\ndnpass = {office.READER[1]}\nbase = ou=users,{office.ORGANISATION}\nscope = subtree\n"
            "user_filter = (&(objectClass=posixAccount)(uid=%n))\n"
            "user_attrs = homeDirectory=home,uidNumber=uid,gidNumber=gid,mail=mail_address\n"
            f"iterate_attrs = uid=user\niterate_filter = (objectClass=posixAccount)\n{cls.binding}",
            0o600,
        )

    @classmethod
    def is_up(cls):
        return cls.doveadm("user", "anna").returncode == 0

    @classmethod
    def doveadm(cls, *arguments):
        return cls.box.run("doveadm", "-c", "/etc/office/dovecot.conf", *arguments)

    def sign_in(self, uid, password=None):
        return self.doveadm("auth", "test", uid, password or office.PASSWORDS[uid])

    def test_auth(self):
        for uid in office.PASSWORDS:
            done = self.sign_in(uid)
            self.assertIn("auth succeeded", done.stdout, f"{done.stderr}{self.said()}")
        self.assertIn("auth failed", self.sign_in("anna", "not her password").stdout)
        self.assertIn("auth failed", self.sign_in("zoe", "whatever this may be").stdout)
        self.assertEqual(self.office.sessions(), {(uid, "Desk") for uid in office.PASSWORDS})

    def test_user_look_up(self):
        fields = dict(line.split("\t", 1) for line in self.doveadm("user", "ben").stdout.splitlines() if "\t" in line)
        self.assertEqual((fields["uid"], fields["gid"], fields["home"], fields["mail_address"]),
                         ("20002", "30001", "/home/ben", "ben@example.com"))
        self.assertNotEqual(self.doveadm("user", "zoe").returncode, 0)
        self.assertEqual(self.office.sessions(), set(), "looking up takes no seat")

    def test_all_users(self):
        self.assertEqual(set(self.doveadm("user", "*").stdout.split()), set(office.PASSWORDS))


class DovecotByName(Dovecot):
    """Binds with a name made of the login, without looking it up before."""

    binding = f"auth_bind = yes\nauth_bind_userdn = uid=%n,ou=users,{office.ORGANISATION}\n"


class FreeRadius(Application):
    daemon = ("freeradius", "-f", "-l", "stdout", "-d", "/etc/office/radius")
    process_name = "freeradius"

    @classmethod
    def configure(cls):
        groups = f"ou=groups,{office.ORGANISATION}"
        cls.box.write("/etc/office/radius/radiusd.conf", f"""
prefix = /usr
libdir = /usr/lib/freeradius
run_dir = /run
db_dir = /run
logdir = /run
raddbdir = /etc/office/radius
pidfile = /run/office-radius.pid
max_request_time = 20
log {{ destination = stdout
 auth = yes }}
security {{ allow_core_dumps = no
 status_server = no }}
thread pool {{ start_servers = 1
 max_servers = 4
 min_spare_servers = 1
 max_spare_servers = 2 }}
client loopback {{ ipaddr = 127.0.0.1
 secret = testing123 }}
modules {{
 always reject {{ rcode = reject }}
 ldap {{
  server = 'ldap://127.0.0.1:{cls.office.port}'
  identity = '{office.READER[0]}'
  password = '{office.READER[1]}'
  base_dn = '{office.ORGANISATION}'
  update {{ reply:Reply-Message := 'cn' }}
  user {{ base_dn = "ou=users,${{..base_dn}}"
   filter = "(uid=%{{%{{Stripped-User-Name}}:-%{{User-Name}}}})" }}
  group {{ base_dn = "{groups}"
   filter = '(objectClass=posixGroup)'
   name_attribute = cn
   membership_filter = "(member=%{{control:Ldap-UserDn}})"
   membership_attribute = 'memberOf' }}
  options {{ res_timeout = 10
   srv_timelimit = 3
   net_timeout = 1 }}
  tls {{ start_tls = yes
   ca_file = {CA}
   require_cert = 'demand' }}
  pool {{ start = 1
   min = 1
   max = 4
   spare = 1
   idle_timeout = 60 }}
 }}
}}
server default {{
 listen {{ type = auth
  ipaddr = 127.0.0.1
  port = {cls.port} }}
 authorize {{
  ldap
  if (notfound) {{
   reject
  }}
  if (&NAS-Port == 7 && !(LDAP-Group == "wardens")) {{
   reject
  }}
  if (&NAS-Port == 8 && !(LDAP-Group == "cn=accounts,{groups}")) {{
   reject
  }}
  update control {{
   Auth-Type := LDAP
  }}
 }}
 authenticate {{
  Auth-Type LDAP {{
   ldap
  }}
 }}
}}
""")

    @classmethod
    def is_up(cls):
        return "Ready to process requests" in cls.said()

    def sign_in(self, uid, password=None, port=0):
        done = self.box.run("radtest", uid, password or office.PASSWORDS[uid], f"127.0.0.1:{self.port}", port, "testing123")
        for answer in ("Access-Accept", "Access-Reject"):
            if f"Received {answer}" in done.stdout:
                return answer, done.stdout
        self.fail(f"{done.stdout}{done.stderr}{self.said()}")

    def test_auth(self):
        for uid in office.PASSWORDS:
            answer, text = self.sign_in(uid)
            self.assertEqual(answer, "Access-Accept", self.said())
            self.assertIn(f'Reply-Message = "{uid.title()} Example"', text)
        self.assertEqual(self.sign_in("anna", "not her password")[0], "Access-Reject")
        self.assertEqual(self.sign_in("zoe", "whatever this may be")[0], "Access-Reject")
        self.assertEqual(self.office.sessions(), {(uid, "Desk") for uid in office.PASSWORDS})

    def test_group_by_name_and_by_dn(self):
        answers = {(uid, port): self.sign_in(uid, port=port)[0] for uid in office.PASSWORDS for port in (7, 8)}
        accepted = {key for key, answer in answers.items() if answer == "Access-Accept"}
        self.assertEqual(accepted, {("anna", 7), ("anna", 8), ("ben", 8)}, self.said())


class Administration(Application):
    """Tools by which an administrator edits entries, through the listener that takes no seat for it (S7)."""

    def shown(self, uid):
        return self.office.tool("ldapsearch", "-LLL", "-b", office.dn(uid), "-s", "base").stdout

    def check_edited(self, before, said):
        self.addCleanup(self.office.modify, f"dn: {office.dn('ben')}\nchangetype: modify\nreplace: sn\nsn: Example\n-\nreplace: gecos\n"
                        "gecos: Ben Example\n")
        self.assertEqual(self.shown("ben"), before.replace("sn: Example", "sn: Edited").replace("gecos: Ben Example\n", ""), said)
        self.assertEqual(self.office.sessions(), set())


class Ldapvi(Administration):
    @classmethod
    def configure(cls):
        cls.box.write("/etc/office/editor", "#!/bin/sh\nfor file; do :; done\nsed -i 's/^sn: Example$/sn: Edited/; /^gecos: /d' \"$file\"\n",
                      0o755)

    def test_an_entry_is_edited(self):
        before = self.shown("ben")
        done = self.box.run(
            "env", "EDITOR=/etc/office/editor", "VISUAL=/etc/office/editor", "TERM=dumb", "script", "-qec",
            f"ldapvi --noquestions -h ldap://127.0.0.1:{self.office.administrative_port} -D {office.OLGA[0]} -w '{office.OLGA[1]}' "
            f"-b {office.ORGANISATION} '(uid=ben)'", "/dev/null",
        )
        self.check_edited(before, done.stdout)


class PhpLdapAdmin(Administration):
    process_name = "php"

    @classmethod
    def configure(cls):
        cls.daemon = ("php", "-d", "error_reporting=0", "-S", f"127.0.0.1:{cls.port}", "-t", "/usr/share/phpldapadmin/htdocs")
        cls.box.write(
            "/etc/phpldapadmin/config.php",
            "<?php\n$config->custom->session['blowfish'] = 'a test of some length and nothing else';\n"
            "$servers = new Datastore();\n$servers->newServer('ldap_pla');\n$servers->setValue('server','name','office');\n"
            "$servers->setValue('server','host','127.0.0.1');\n"
            f"$servers->setValue('server','port',{cls.office.administrative_port});\n"
            f"$servers->setValue('server','base',array('{office.ORGANISATION}'));\n$servers->setValue('login','auth_type','session');\n"
            "$servers->setValue('server','tls',false);\n?>\n",
        )

    @classmethod
    def is_up(cls):
        return "phpLDAPadmin" in cls.browse("index.php")

    @classmethod
    def browse(cls, page, **fields):
        form = [part for name, value in fields.items() for part in ("--data-urlencode", f"{name}={value}")]
        jar = str(cls.office.folder / "cookies")
        done = subprocess.run(["curl", "-s", "-L", "-b", jar, "-c", jar, *form, f"http://127.0.0.1:{cls.port}/{page}"],
                              capture_output=True, text=True, timeout=60, errors="replace")
        return done.stdout

    def test_an_entry_is_shown_and_edited(self):
        page = self.browse("cmd.php", cmd="login", server_id="1", login=office.OLGA[0], login_pass=office.OLGA[1])
        self.assertIn("Successfully logged into server", page)
        before = self.shown("ben")
        page = self.browse("cmd.php?cmd=template_engine&server_id=1&template=none&dn=" + quote(office.dn("ben")))
        # The form has the values by attribute; the page could only be made from the schema.
        values = dict(re.findall(r'name="(new_values\[\w+\]\[\d+\])"[^>]* value="([^"]*)"', page))
        self.assertEqual(values.get("new_values[sn][0]"), "Example", page[-3000:])
        fields = {"new_values[sn][0]": "Edited", "new_values[gecos][0]": ""}
        said = self.browse("cmd.php", cmd="update", server_id="1", dn=office.dn("ben"), template="none", **fields)
        self.check_edited(before, said[-3000:])
