"""A directory most of whose attributes are hidden from a service that reads it, and the filters to ask for them."""

import target
from target import SUFFIX, Client, Target, bind, equal, present, sequence, substrings, text

PEOPLE = f"ou=users,o=Acme,{SUFFIX}"
#: It may search everything on its own entry, so that stands elsewhere.
READER = (f"uid=reader,ou=services,o=Acme,{SUFFIX}", "what the searching account knows")
COUNT = 60
#: With an index and without one, user, operational, a link, and a secret.
HIDDEN = ("mail", "sn", "employeeNumber", "title", "createTimestamp", "manager", "memberOf", "hcRole", "hcExternalId",
          "userPassword", "hcAccountState")


class Mixed(Target):
    def __init__(self, limits="", count=COUNT):
        self.count = count
        rule = f'[[access]]\nwho = ["services"]\nsubtree = "{SUFFIX}"\nattributes = ["cn", "objectClass"]\nrights = ["read"]\n'
        super().__init__(f"{limits}\n{rule}", people=1)

    def _import(self, _):
        file = self.folder / "people.ldif"
        with open(file, "w") as out:
            out.write(
                f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n"
                f"dn: o=Acme,{SUFFIX}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Acme\n\n"
                f"dn: ou=services,o=Acme,{SUFFIX}\nobjectClass: organizationalUnit\nou: services\n\n"
                f"dn: {READER[0]}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nobjectClass: uidObject\n"
                f"objectClass: hcUser\nuid: reader\ncn: reader\nhcUserType: service\nuserPassword: {READER[1]}\n\n"
            )
            for n in range(self.count):
                out.write(f"dn: uid=p{n},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: hcUser\nuid: p{n}\ncn: {value(n)}\nsn: {value(n)}\n"
                          f"mail: {value(n)}@example.com\nemployeeNumber: {value(n)}\ntitle: {value(n)}\nhcExternalId: {value(n)}\n"
                          f"manager: uid=p0,{PEOPLE}\n\n")
        done = self.run("import", file)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}")

    def reader(self):
        client = Client(self, patience=60)
        code, _ = client.ask(bind(*READER))
        assert code == 0, code
        return client


def value(number):
    return f"value{number}"


def forms():
    """Filters by what they are, each made for an attribute."""
    assertion = lambda name, tag: sequence(text(name), text(value(7)), tag=tag)
    rule = lambda name: sequence(text("caseIgnoreMatch", 0x81), text(name, 0x82), text(value(7), 0x83), tag=0xA9)
    both = lambda tag: lambda name: sequence(present("objectClass"), equal(name, value(7)), tag=tag)
    return {
        "equal": lambda name: equal(name, value(7)), "equal to nothing there is": lambda name: equal(name, "nothing"), "present": present,
        "an address": lambda name: equal(name, f"{value(7)}@example.com"), "a DN": lambda name: equal(name, f"uid=p0,{PEOPLE}"),
        "initial": lambda name: substrings(name, (0, "va")), "any": lambda name: substrings(name, (1, "lue")),
        "final": lambda name: substrings(name, (2, "7")), "greater": lambda name: assertion(name, 0xA5),
        "less": lambda name: assertion(name, 0xA6), "approximate": lambda name: assertion(name, 0xA8), "extensible": rule,
        "not equal": lambda name: target.tlv(0xA2, equal(name, value(7))), "not present": lambda name: target.tlv(0xA2, present(name)),
        "and": both(0xA0), "or": both(0xA1),
    }
