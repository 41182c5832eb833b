"""The operator's tools, each subcommand as its user meets it: what it does, what it says, and how it ends."""

import csv
import io
import json
import math
import pathlib
import re
import subprocess
import sys
import unittest
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import servers  # noqa: E402

SUFFIX = "dc=example,dc=com"
ACME = f"o=Acme,{SUFFIX}"
USERS, LICENCE = f"ou=users,{ACME}", f"cn=Desk,ou=licences,{ACME}"
PASSWORD = "a password that is long enough for anybody"
DONE, FAILED, WRONG_USAGE, BAD_CONFIG, UNREACHABLE, PARTLY = 0, 1, 2, 3, 4, 5


class Place(servers.Headcount):
    def start(self):
        """Its ports are there before the directory is open, and the socket of the tools after it."""
        super().start()
        servers.demo.eventually("it serves", lambda: " serving" in self.said())

    def tool(self, *arguments, given=None):
        command = [servers.demo.program(), "--config", self.folder / "headcount.toml", *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, input=given, timeout=120)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place(SUFFIX)
        cls.addClassCleanup(cls.place.end)
        cls.place.start()
        done = cls.place.tool("import", "-", given=(
            f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\ndn: {ACME}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Acme\n\n"
            f"dn: {LICENCE}\nobjectClass: hcLicence\ncn: Desk\nhcSessionLimit: 5\nhcPackage: Standard\nhcLicenceDefault: TRUE\n"))
        assert done.returncode == DONE, done.stderr

    def run_it(self, *arguments, expect=DONE, given=None):
        """Runs a subcommand; answers what it printed. What is said when it fails goes to standard error."""
        done = self.place.tool(*arguments, given=given)
        self.assertEqual(done.returncode, expect, f"{arguments}\n{done.stdout}{done.stderr}")
        if expect == FAILED:
            self.assertEqual(done.stdout, "", arguments)
            self.assertRegex(done.stderr, r"(?m)^headcount: .+", arguments)
        self.assertNotRegex(done.stderr, r"panicked|RUST_BACKTRACE|Error \{|Some\(", arguments)
        return done.stdout

    def rows(self, *arguments):
        return [json.loads(line) for line in self.run_it(*arguments, "--json").splitlines() if line.startswith("{")]

    def binds(self, dn, password):
        command = ["ldapwhoami", "-x", "-H", self.place.url, "-D", dn, "-w", password]
        return subprocess.run(command, capture_output=True, text=True).returncode

    def attribute(self, dn, name):
        text = self.run_it("export", "--base", dn).replace("\n ", "")
        (entry,) = [entry for entry in text.split("\n\n") if entry.startswith(f"dn: {dn}\n")]
        return re.findall(rf"(?m)^{name}: (.*)$", entry)

    def user(self, uid, *more):
        given = PASSWORD + "\n" if "--password-file" in more else None
        self.run_it("user", "add", "--organisation", ACME, uid, "--family-name", "Example", *more, given=given)
        return f"uid={uid},{USERS}"

    # All of them ------------------------------------------------------------------------------------------------------

    def test_each_subcommand_has_its_help_and_refuses_what_it_does_not_know(self):
        def walk(path):
            help = self.run_it(*path, "--help")
            self.assertIn("Usage: headcount", help)
            self.assertRegex(help.splitlines()[0], r"^[A-Z].*[^ ]$", path)
            listed = re.search(r"(?s)Commands:\n(.*?)\n\n", help)
            names = [name for name in re.findall(r"(?m)^  ([a-z-]+)  ", listed.group(1)) if name != "help"] if listed else []
            # What each does stands beside it.
            self.assertEqual(len(names), len(re.findall(r"(?m)^  (?!help)[a-z-]+  +[A-Z]", listed.group(1))) if listed else 0, path)
            self.run_it(*path, "--no-such-option", expect=WRONG_USAGE)
            if names:
                self.run_it(*path, "no-such-command", expect=WRONG_USAGE)
                self.run_it(*path, expect=WRONG_USAGE)
            return [path, *(found for name in names for found in walk([*path, name]))]

        self.assertGreaterEqual(len(walk([])), 45)
        self.assertIn("Exit codes:", self.run_it("--help"))

    def test_a_config_that_is_not_there_or_bad_is_told_by_every_command(self):
        bad = self.place.folder / "bad.toml"
        bad.touch(0o600)
        bad.write_text("folder = 7\n")
        for config in (bad, self.place.folder / "nowhere.toml"):
            for command in (["check"], ["user", "list"], ["verify"], ["serve"], ["restore", "x"], ["export"]):
                done = servers.demo.headcount("--config", config, *command)
                self.assertEqual(done.returncode, BAD_CONFIG, (command, done.stderr))
                self.assertIn(config.name, done.stderr)

    def test_without_a_daemon_the_same_commands_work_on_the_folder(self):
        alone = Place(SUFFIX)
        self.addCleanup(alone.end)
        done = alone.tool("import", "-", given=f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(f"dn: {SUFFIX}", alone.tool("export").stdout)
        for command in (["verify"], ["compact"], ["backup", alone.folder / "saved"], ["sessions", "list"]):
            self.assertEqual(alone.tool(*command).returncode, DONE, command)
        (alone.folder / "headcount.toml").write_text((alone.folder / "headcount.toml").read_text().replace('"data"', '"/proc/none"'))
        self.assertEqual(alone.tool("user", "list").returncode, UNREACHABLE)

    # Users, roles, groups ---------------------------------------------------------------------------------------------

    def test_users(self):
        ann = self.user("ann", "--given-name", "Ann", "--email", "ann@example.com", "--password-file", "-")
        self.assertEqual(self.binds(ann, PASSWORD), 0)
        (row,) = [row for row in self.rows("user", "list", "--organisation", ACME) if row["dn"] == ann]
        self.assertEqual((row["type"], row["state"], row["mail"]), ("app", "active", "ann@example.com"))
        self.assertIn(ann, self.run_it("user", "list"))
        self.run_it("user", "disable", ann)
        self.assertEqual(self.binds(ann, PASSWORD), 49)
        self.run_it("user", "enable", ann)
        self.assertEqual(self.binds(ann, PASSWORD), 0)
        made = self.rows("user", "password", ann)
        self.assertEqual(self.binds(ann, made[0]["password"]), 0, "one is made up, and shown")
        self.run_it("user", "password", ann, "--password-file", "-", given=PASSWORD + "\n")
        self.assertEqual(self.binds(ann, PASSWORD), 0)
        for _ in range(6):
            self.binds(ann, "wrong")
        self.assertEqual(self.binds(ann, PASSWORD), 49, "it has to wait")
        self.run_it("user", "unlock", ann)
        self.assertEqual(self.binds(ann, PASSWORD), 0)
        self.assertIn("otpauth://totp/", self.run_it("user", "one-time-code", ann))
        self.assertEqual(self.binds(ann, PASSWORD), 49, "a code is asked for")
        self.run_it("user", "one-time-code", ann, "--remove")
        self.assertEqual(self.binds(ann, PASSWORD), 0)
        self.run_it("user", "delete", ann)
        self.assertEqual(self.binds(ann, PASSWORD), 49)

    def test_users_that_are_wrong(self):
        bea = self.user("bea", "--email", "bea@example.com", "--type", "service", "--password-file", "-")
        self.assertEqual(self.attribute(bea, "hcUserType"), ["service"])
        wrong = [
            ["add", "--organisation", ACME, "bea", "--family-name", "x"], ["add", "--organisation", f"o=No,{SUFFIX}", "x", "--family-name", "x"],
            ["add", "--organisation", ACME, "other", "--family-name", "x", "--email", "bea@example.com"],
            ["add", "--organisation", ACME, "other", "--family-name", "x", "--role", "no-such-role"],
            ["add", "--organisation", "no name", "other", "--family-name", "x"],
            ["list", "--organisation", f"o=No,{SUFFIX}"], ["application-password", bea, "no-such-application"],
            *([verb, f"uid=nobody,{USERS}"] for verb in ("delete", "disable", "enable", "unlock", "password", "one-time-code")),
            *([verb, "no name"] for verb in ("delete", "disable", "enable", "unlock", "password")),
        ]
        for arguments in wrong:
            self.run_it("user", *arguments, expect=FAILED)
        self.run_it("user", "add", "--organisation", ACME, "x", expect=WRONG_USAGE)
        self.run_it("user", "add", "--organisation", ACME, "x", "--family-name", "x", "--type", "king", expect=WRONG_USAGE)
        self.run_it("user", "password", bea, "--password-file", "-", given="\n", expect=FAILED)
        self.run_it("user", "password", bea, "--password-file", self.place.folder / "nothing", expect=FAILED)
        self.assertEqual(self.binds(bea, PASSWORD), 0)

    def test_roles(self):
        cleo = self.user("cleo", "--password-file", "-")
        self.run_it("role", "add", "--organisation", ACME, "clerk", "--grant", "people.search", "--grant", "groups.search-own", "--restrict",
                    "people.search-any")
        (row,) = [row for row in self.rows("role", "list", "--organisation", ACME) if row["dn"] == f"cn=clerk,ou=roles,{ACME}"]
        self.assertEqual(sorted(row["grants"].split(", ")), ["groups.search-own", "people.search"])
        self.assertEqual((row["offered"], row["packages"]), ("current package", "Standard, Professional"))
        self.run_it("role", "assign", cleo, "clerk")
        self.assertEqual(self.attribute(cleo, "hcRole"), [f"cn=clerk,ou=roles,{ACME}"])
        self.assertIn("people.search", self.run_it("access", "explain", cleo))
        self.run_it("role", "unassign", cleo, f"cn=clerk,ou=roles,{ACME}")
        self.assertEqual(self.attribute(cleo, "hcRole"), [])
        for arguments in (["assign", cleo, "no-such-role"], ["assign", f"uid=nobody,{USERS}", "clerk"], ["unassign", cleo, "clerk"],
                          ["add", "--organisation", ACME, "clerk"], ["add", "--organisation", f"o=No,{SUFFIX}", "x"]):
            self.run_it("role", *arguments, expect=FAILED)

    def test_every_answer_is_json_where_that_is_asked_for(self):
        ((message,),) = [row.values() for row in self.rows("verify")]
        self.assertRegex(message, r"^\d+ entries, clean$")
        for command in (["check"], ["audit", "verify"], ["backup", self.place.folder / "whole"]):
            (row,) = self.rows(*command)
            self.assertEqual(list(row), ["message"], command)
        (row,) = [json.loads(line) for line in self.run_it("passwd", "--password-file", "-", "--json", given=PASSWORD + "\n").splitlines()]
        self.assertRegex(row["password"], r"^\{")
        done = self.place.tool("import", "-", "--json", given=f"dn: cn=x,{ACME}\nobjectClass: no-such-class\ncn: x\n")
        self.assertEqual(done.stdout, "")
        self.assertTrue(all(set(json.loads(line)) <= {"error", "warning"} for line in done.stderr.splitlines()), done.stderr)
        self.assertIn("no-such-class", done.stderr)

    def test_groups(self):
        dan, crew = self.user("dan", "--email", "dan@example.com"), f"cn=crew,ou=groups,{ACME}"
        self.run_it("group", "add", "--organisation", ACME, "crew", "--description", "on deck")
        (row,) = [row for row in self.rows("group", "list", "--organisation", ACME) if row["dn"] == crew]
        self.assertEqual(row["description"], "on deck")
        self.assertEqual(self.attribute(crew, "objectClass"), ["groupOfNames", "groupOfUniqueNames", "hcGroup"])
        shown = {"full": "member", "view-only": "hcViewOnlyMember", "past": "hcPastMember", "administrator": "hcAdministrator"}
        for level, attribute in shown.items():
            self.run_it("group", "member", crew, dan, "--level", level)
            held = {name: self.attribute(crew, name) for name in shown.values()}
            self.assertEqual(held[attribute], [dan], level)
            self.assertEqual([name for name, values in held.items() if values and name != "member"], [attribute] if attribute != "member" else [])
        self.run_it("group", "member", crew, dan, "--level", "none")
        self.assertEqual(self.attribute(crew, "member"), [])
        for arguments in (["add", "--organisation", ACME, "crew"], ["member", f"cn=none,ou=groups,{ACME}", dan], ["member", dan, crew]):
            self.run_it("group", *arguments, expect=FAILED)
        self.run_it("group", "member", crew, dan, "--level", "captain", expect=WRONG_USAGE)

    # Licences, sessions, tokens ---------------------------------------------------------------------------------------

    def test_licences_and_sessions(self):
        eve = self.user("eve", "--password-file", "-")
        self.run_it("licence", "set", LICENCE, "--session-limit", "9", "--package", "Standard", "--idle-timeout", "45m", "--counting", "sessions")
        (row,) = self.rows("licence", "list", "--organisation", ACME)
        self.assertEqual((row["dn"], row["session_limit"], row["counting"], row["idle_timeout"]), (LICENCE, "9", "sessions", "2700"))
        self.run_it("licence", "set", LICENCE, "--counting", "users")
        self.assertEqual(self.binds(eve, PASSWORD), 0)
        (session,) = [row for row in self.rows("sessions", "list") if row["user"] == eve]
        self.assertEqual(session["licence"], LICENCE)
        self.run_it("sessions", "end", session["id"], "--message", "the shift is over")
        self.assertEqual([row for row in self.rows("sessions", "list") if row["user"] == eve], [])
        self.run_it("sessions", "end", session["id"], expect=FAILED)
        self.run_it("licence", "set", f"cn=none,{ACME}", "--session-limit", "1", expect=FAILED)
        self.run_it("licence", "set", LICENCE, expect=FAILED)
        for option, value in (("--session-limit", "0"), ("--session-limit", "many"), ("--counting", "fingers"), ("--idle-timeout", "soon")):
            self.run_it("licence", "set", LICENCE, option, value, expect=WRONG_USAGE)

    def test_o6_charges_of_a_licence(self):
        rate = f"cn=Rate,ou=licences,{ACME}"
        added = f"dn: {rate}\nobjectClass: hcLicence\ncn: Rate\nhcSessionLimit: 3\nhcPackage: Standard\nhcTimeZone: Pacific/Auckland\n"
        self.run_it("import", "-", given=added)
        of = ("licence", "charges", "--licence", rate, "--from", "2026-01-01")
        *stretches, total = self.rows(*of, "--to", "2090-01-01")
        self.assertEqual({(row["package"], row["fee"], row["limit"], row["charge"]) for row in stretches}, {("Standard", "30.00", 3, None)})
        self.assertEqual(stretches[-1]["share"], "1/1")
        whole = sum(Fraction(row["share"]) for row in stretches) * 3 * 30
        self.assertEqual(total["charge"], f"{math.floor(whole * 100 + Fraction(1, 2)) / 100:.2f}")
        self.assertEqual((total["from"], total["to"]), ("2026-01-01T00:00:00+13:00", "2090-01-01T00:00:00+13:00"))
        self.run_it("licence", "set", rate, "--session-limit", "5", "--package", "Professional")
        self.assertEqual({row["limit"] for row in self.rows(*of)[:-1]} - {3, 5}, set())
        printed = self.run_it(*of, "--to", "2090-01-01", "--csv")
        head, *lines = list(csv.reader(io.StringIO(printed, newline="")))
        self.assertEqual(head, ["licence", "from", "to", "package", "fee", "limit", "share", "changed_by", "charge"])
        self.assertEqual((lines[-1][0], lines[-2][3:6]), (rate, ["Professional", "45.00", "5"]))
        self.run_it("licence", "charges", "--licence", f"cn=none,{ACME}", expect=FAILED)
        self.run_it("licence", "charges", "--from", "2026-02-01", "--to", "2026-01-01", expect=FAILED)
        self.run_it("licence", "charges", "--from", "yesterday", expect=WRONG_USAGE)
        # What is deleted stays billable.
        self.run_it("import", "-", given=f"dn: {rate}\nchangetype: delete\n")
        gone = self.rows(*of, "--to", "2090-01-01")
        self.assertEqual((gone[-1]["licence"], gone[-1]["charge"]), (rate, "0.00"))

    def test_s12_history_of_a_licence(self):
        hal = self.user("hal", "--password-file", "-")
        self.assertEqual(self.binds(hal, PASSWORD), 0)
        (day,) = self.rows("licence", "history", "--licence", LICENCE)
        self.assertEqual((day["licence"], day["refusals"], re.fullmatch(r"\d{4}-\d\d-\d\d", day["from"]) is not None), (LICENCE, 0, True))
        self.assertGreaterEqual(day["peak"], 1)
        self.assertRegex(day["average"], r"^\d+\.\d\d$")
        hours = self.rows("licence", "history", "--licence", LICENCE, "--hours")
        self.assertEqual(max(row["peak"] for row in hours), day["peak"])
        self.assertRegex(hours[0]["from"], r"T\d\d:00:00\+00:00$")
        printed = self.run_it("licence", "history", "--organisation", ACME, "--csv")
        self.assertEqual(next(csv.reader(io.StringIO(printed, newline=""))), ["licence", "from", "peak", "average", "refusals"])
        self.assertEqual(self.rows("licence", "history", "--from", "2001-01-01"), [])
        self.run_it("licence", "history", "--licence", f"cn=none,{ACME}", expect=FAILED)

    def test_tokens(self):
        (minted,) = self.rows("token", "mint", "--organisation", ACME, "provider", "--lifetime", "90d")
        self.assertRegex(minted["token"], r"^hc_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$")
        (row,) = [row for row in self.rows("token", "list") if row["id"] == minted["id"]]
        self.assertEqual((row["name"], row["organisation"]), ("provider", ACME))
        self.assertNotIn(minted["token"], json.dumps(row))
        self.run_it("token", "revoke", minted["id"])
        self.run_it("token", "revoke", minted["id"], expect=FAILED)
        self.run_it("token", "mint", "--organisation", f"o=No,{SUFFIX}", "x", expect=FAILED)
        self.run_it("token", "mint", "--organisation", ACME, "x", "--lifetime", "soon", expect=WRONG_USAGE)

    def test_he9_a_client_is_made_changed_and_removed_with_its_tokens(self):
        (made,) = self.rows("client", "add", "--organisation", ACME, "Entra", "--profile", "entra", "--deactivation-ceiling", "20")
        self.assertEqual((made["profile"], made["deactivation_ceiling"], made["rate"], made["dry_run"]), ("entra", 20, 50, False))
        self.run_it("client", "add", "--organisation", ACME, "entra", expect=FAILED)
        tokens = [self.rows("token", "mint", "--organisation", ACME, "Entra")[0]["id"] for _ in range(2)]
        self.run_it("token", "mint", "--organisation", ACME, "Entra", "--profile", "okta", expect=FAILED)
        (row,) = [row for row in self.rows("client", "list", "--organisation", ACME) if row["name"] == "Entra"]
        self.assertEqual((row["id"], row["tokens"], row["organisation"]), (made["id"], 2, ACME))
        (changed,) = self.rows(
            "client", "change", "Entra", "--scope", "read,users", "--deletion", "deactivate", "--reach", "organisation", "--window", "2h",
            "--restore-on-create", "on", "--deactivation-ceiling", "none", "--rate", "100", "--dry-run", "on")
        expected = {"scopes": ["read", "users"], "deletion": "deactivate", "reach": "organisation", "window": 7200, "rate": 100,
                    "restore_on_create": True, "deactivation_ceiling": None, "dry_run": True, "profile": "entra", "tokens": 2}
        self.assertEqual(changed, changed | expected)
        self.assertEqual(self.rows("client", "show", made["id"]), [changed], "by its id too")
        for option, value in (("--rate", "24"), ("--profile", "google"), ("--scope", "read,all"), ("--deactivation-ceiling", "few")):
            self.run_it("client", "change", "Entra", option, value, expect=WRONG_USAGE)
        self.run_it("client", "change", "Entra", expect=FAILED)
        self.run_it("client", "change", "Entra", "--window", "30s", expect=FAILED)
        self.assertIn("Nobody", self.place.tool("client", "show", "Nobody").stderr)
        self.assertEqual({row["client"] for row in self.rows("token", "list") if row["id"] in tokens}, {"Entra"})
        self.run_it("client", "remove", "Entra")
        self.run_it("client", "remove", "Entra", expect=FAILED)
        self.assertEqual([row for row in self.rows("token", "list") if row["id"] in tokens], [])
        # The log is written a moment after the change.
        of_it = lambda: [row["operation"] for row in self.rows("audit", "show", "--entry", ACME) if f"client:{made['id']}" in row.get("detail", "")]
        servers.demo.eventually("all are told", lambda: of_it() == ["client-add", "client-change", "client-remove"])

    def test_access_is_explained(self):
        fay = self.user("fay", "--email", "fay@example.com")
        self.assertIn("yes", self.run_it("access", "explain", fay, fay, "cn", "--right", "read"))
        self.assertIn("no", self.run_it("access", "explain", "anonymous", fay, "cn", "--right", "read"))
        for arguments in ([f"uid=nobody,{USERS}", fay], [fay, f"uid=nobody,{USERS}"], [fay, fay, "noSuchThing"], ["no name", fay]):
            self.run_it("access", "explain", *arguments, expect=FAILED)
        self.run_it("access", "explain", fay, fay, "--right", "dance", expect=WRONG_USAGE)

    def test_a_password_is_hashed(self):
        hash = self.run_it("passwd", "--password-file", "-", given="something to hash\n").strip()
        self.assertRegex(hash, r"^\{ARGON2\}\$argon2id\$v=19\$m=\d+,t=\d+,p=1\$")
        self.run_it("passwd", "--password-file", "-", given="", expect=FAILED)
        self.assertEqual(self.run_it("passwd", given="from standard input\n")[:8], "{ARGON2}")

    def test_bootstrap_is_for_once(self):
        token, password = self.place.folder / "token", self.place.folder / "password"
        self.run_it("bootstrap", "--file", token)
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        root = f"uid=operator,{SUFFIX}"
        kept = token.read_text()
        self.run_it("activate", token, "--password-file", "-", given=PASSWORD + "\n")
        self.assertEqual(self.binds(root, PASSWORD), 0)
        self.assertFalse(token.exists(), "a token that is spent is removed")
        password.write_text(kept)
        self.run_it("activate", password, "--password-file", "-", given=PASSWORD + "\n", expect=FAILED)
        self.run_it("bootstrap", "--file", token, expect=FAILED)
        self.run_it("activate", self.place.folder / "nothing", "--password-file", "-", given=PASSWORD + "\n", expect=FAILED)

    # Import -----------------------------------------------------------------------------------------------------------

    PEOPLE = [f"dn: cn=p{n},ou=people,{SUFFIX}\nobjectClass: person\ncn: p{n}\nsn: Example\n" for n in range(5)]

    def test_an_import_stops_at_what_is_wrong_or_goes_on(self):
        unit = f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n"
        wrong = f"dn: cn=wrong,ou=people,{SUFFIX}\nobjectClass: person\ncn: wrong\nsn: x\ncolour: red\n"
        self.run_it("import", "-", given=f"{unit}\n{self.PEOPLE[0]}")
        done = self.place.tool("import", "-", given="\n".join([self.PEOPLE[1], wrong, self.PEOPLE[2]]))
        self.assertEqual(done.returncode, PARTLY, done.stderr)
        self.assertIn(f"line 6: cn=wrong,ou=people,{SUFFIX}", done.stderr)
        self.assertIn("--skip-unknown", done.stderr)
        names = lambda: re.findall(r"(?m)^dn: cn=(\w+),ou=people", self.run_it("export"))
        self.assertEqual(names(), ["p0", "p1"])
        done = self.place.tool("import", "--continue", "--skip-existing", "-", given="\n".join([self.PEOPLE[1], wrong, self.PEOPLE[2]]))
        self.assertEqual(done.returncode, PARTLY, done.stderr)
        self.assertIn("1 refused", done.stderr)
        self.assertEqual(names(), ["p0", "p1", "p2"])
        self.run_it("import", "--skip-unknown", "-", given=wrong)
        self.assertEqual(names(), ["p0", "p1", "p2", "wrong"])
        changes = (f"dn: cn=wrong,ou=people,{SUFFIX}\nchangetype: modrdn\nnewrdn: cn=right\ndeleteoldrdn: 1\n\n"
                   f"dn: cn=right,ou=people,{SUFFIX}\nchangetype: modify\nreplace: sn\nsn: Right\n-\n\n"
                   f"dn: cn=p2,ou=people,{SUFFIX}\nchangetype: delete\n")
        self.run_it("import", "-", given=changes)
        self.assertEqual((names(), self.attribute(f"cn=right,ou=people,{SUFFIX}", "sn")), (["p0", "p1", "right"], ["Right"]))
        self.run_it("import", self.place.folder / "nothing.ldif", expect=FAILED)
        for text in ("this is no LDIF\n", f"dn: cn=x,{SUFFIX}\nobjectClass: person\ncn:< file:///etc/passwd\nsn: x\n", "dn: no name\ncn: x\n"):
            self.run_it("import", "-", given=text, expect=FAILED)

    def test_operational_attributes_are_kept_or_left_out_as_asked(self):
        ident = "01a2079a-c1b1-7479-bf59-fe5dc61ad3a2"
        record = lambda name: f"dn: cn={name},{SUFFIX}\nobjectClass: device\ncn: {name}\nentryUUID: {ident}\ncreateTimestamp: 20010203040506Z\n"
        self.run_it("import", "-", given=record("refused"), expect=FAILED)
        self.run_it("import", "--skip-operational", "-", given=record("without"))
        self.run_it("import", "--operational", "-", given=record("with"))
        text = self.run_it("export", "--operational", "--base", f"cn=with,{SUFFIX}")
        self.assertIn(f"entryUUID: {ident}\n", text)
        self.assertIn("createTimestamp: 20010203040506Z\n", text)
        self.assertNotIn(ident, self.run_it("export", "--operational", "--base", f"cn=without,{SUFFIX}"))
        self.run_it("import", "--operational", "--skip-operational", "-", given="", expect=WRONG_USAGE)

    def test_hashes_are_kept_and_work(self):
        dn = f"cn=hashed,{SUFFIX}"
        stored = servers.ssha(PASSWORD)
        self.run_it("import", "-", given=f"dn: {dn}\nobjectClass: person\ncn: hashed\nsn: x\nuserPassword: {stored}\n")
        self.assertIn(stored, self.run_it("export", "--base", dn).replace("\n ", ""))
        self.assertEqual(self.binds(dn, PASSWORD), 0)

    def test_progress_is_told_and_everything_is_verified(self):
        done = self.place.tool("import", "-", given="\n".join(
            f"dn: cn=many{n},{SUFFIX}\nobjectClass: device\ncn: many{n}\n" for n in range(3_000)))
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("3000 records written", done.stdout + done.stderr)
        self.run_it("verify")
        self.run_it("compact")
        self.run_it("verify")
