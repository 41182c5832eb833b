"""Servers with the same few people, for the tests of controls: ours, and slapd with the overlays that have them."""

import pathlib
import sys

import ldap
import ldap.controls

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import servers  # noqa: E402

SUFFIX = "dc=example,dc=com"
OPERATOR = f"cn=admin,{SUFFIX}"
PEOPLE = f"ou=people,{SUFFIX}"

# Who may ask: anonymous sees names and nothing else; uid=reader sees all but employeeNumber.
RULES = f"""
[[access]]
who = ["anonymous"]
subtree = "{SUFFIX}"
attributes = ["objectClass", "cn", "sn", "givenName", "ou", "dc", "entryDN"]
rights = ["read"]
[[access]]
who = ["dn:uid=reader,{SUFFIX}"]
subtree = "{SUFFIX}"
attributes = ["employeeNumber"]
rights = ["none"]
[[access]]
who = ["dn:uid=reader,{SUFFIX}"]
subtree = "{SUFFIX}"
attributes = ["*", "+"]
rights = ["read"]
"""


class Headcount(servers.Headcount):
    """With rules, and the limits of a server that is asked by strangers."""

    more = RULES
    limits = "[limits]\nsize = 100\nlook_through = 2000\n"

    def write_config(self):
        super().write_config()
        config = self.folder / "headcount.toml"
        text = config.read_text().split("[limits]")[0]
        config.write_text(text + self.more + self.limits)


class Slapd(servers.Slapd):
    """With the overlays for sorting, views and dereferencing."""

    def write_config(self):
        super().write_config()
        config = self.folder / "slapd.conf"
        text = config.read_text().replace("moduleload back_mdb\n", "moduleload back_mdb\nmoduleload sssvlv\nmoduleload deref\n")
        config.write_text(text + "overlay sssvlv\noverlay deref\n")


def connect(server, who=None, password=servers.PASSWORD):
    connection = ldap.initialize(server.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
    connection.set_option(ldap.OPT_TIMEOUT, 20)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    if who:
        connection.simple_bind_s(who, password)
    return connection


def entry(**values):
    return [(name, [v.encode() if isinstance(v, str) else v for v in (value if isinstance(value, list) else [value])])
            for name, value in values.items()]


def ber(tag, *parts):
    """An element with its length."""
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets) + content


def sequence(*parts):
    return ber(0x30, *parts)


def text(value):
    return ber(0x04, value)


# uid, and what differs; sn is not in the order of cn, and two have no title.
FOLK = [
    ("ann", dict(sn="Zimmer", title=["second", "eighth"], employeeNumber="30", telephoneNumber="+1 2")),
    ("bob", dict(sn="young", title="first", employeeNumber="4")),
    ("cid", dict(sn="Xu", employeeNumber="100")),
    ("dan", dict(sn="abel", title="third", employeeNumber="1")),
    ("eve", dict(sn="Abel", employeeNumber="2")),
]


def fill(server):
    """The people, and who reads them."""
    c = connect(server, OPERATOR)
    c.add_s(SUFFIX, entry(objectClass=["domain"], dc="example"))
    c.add_s(PEOPLE, entry(objectClass="organizationalUnit", ou="people"))
    c.add_s(f"ou=groups,{SUFFIX}", entry(objectClass="organizationalUnit", ou="groups"))
    for uid, values in FOLK:
        c.add_s(f"uid={uid},{PEOPLE}", entry(objectClass="inetOrgPerson", uid=uid, cn=uid, **values))
    c.add_s(f"uid=reader,{SUFFIX}", entry(objectClass=["account", "simpleSecurityObject"], uid="reader", userPassword=servers.PASSWORD))
    c.add_s(f"cn=crew,ou=groups,{SUFFIX}", entry(
        objectClass="groupOfNames", cn="crew", member=[f"uid=ann,{PEOPLE}", f"uid=cid,{PEOPLE}", f"uid=gone,{PEOPLE}"]))
    return c


class Codes:
    """An operation's result code, matched with its response controls by OID."""

    def __init__(self, code, controls, entries, text):
        self.code, self.entries, self.text = code, entries, text
        self.controls = {c.controlType: c for c in controls or ()}

    def names(self):
        return [dn.split(",")[0].split("=")[1] for dn, _ in self.entries]


def search(c, base, filter="(objectClass=*)", attributes=None, scope=ldap.SCOPE_SUBTREE, controls=(), size=0):
    """A search that answers codes instead of raising."""
    entries = []
    try:
        message = c.search_ext(base, scope, filter, attributes, serverctrls=list(controls), sizelimit=size)
        while True:
            kind, data, _, response, _, _ = c.result4(message, all=0, add_ctrls=1)
            if kind == ldap.RES_SEARCH_RESULT:
                return Codes(0, response, entries, "")
            for item in data:
                if kind == ldap.RES_SEARCH_ENTRY:
                    entries.append(item[:2] if len(item) == 2 or not item[2] else item)
    except ldap.LDAPError as error:
        return of_error(error, entries)


def of_error(error, entries=()):
    info = error.args[0] if error.args else {}
    controls = ldap.controls.DecodeControlTuples(info.get("ctrls"))
    code = info["result"] if "result" in info else {"Server is unavailable": -1}.get(str(error), -1)
    return Codes(code, controls, list(entries), info.get("info", ""))


def attempt(call, *args, **kwargs):
    """The code of a change."""
    try:
        result = call(*args, **kwargs)
        controls = result[3] if isinstance(result, tuple) and len(result) > 3 else ()
        return Codes(0, controls, [], "")
    except ldap.LDAPError as error:
        return of_error(error)
