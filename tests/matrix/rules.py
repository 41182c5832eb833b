"""Who may do what: the rules of domain.md once more, as plainly as they can be said, to hold the server against.

`answer(subject, target, attribute, operation)` says `yes`, `no` (one sees it and may not) or `nothing` (for one it is not
there: neither the attribute, nor, where `sees` says so, the entry). Numbers of rules are those of domain.md. A line that begins
with "silent:" is where domain.md says nothing, and what people who know OpenLDAP and 389 Directory Server would expect.
"""

from dataclasses import dataclass, field

LEVELS = ("past", "view-only", "full", "administrator")
ACME = "o=Acme,dc=example,dc=com"
YES, NO, NOTHING = "yes", "no", "nothing"
GROUPS = {}


@dataclass
class Subject:
    """Who asks. `permissions` are what the roles come to; `rule` is what an access rule of the config says of a service."""

    name: str
    of: str = None
    permissions: set = field(default_factory=set)
    directory_only: bool = False
    groups: dict = field(default_factory=dict)
    administrator: bool = False
    operator: bool = False
    rule: str = None


@dataclass
class Target:
    """What is asked about."""

    kind: str
    dn: str
    of: str = ACME
    name: str = ""
    holds: str = ""
    active: bool = True
    administrator: bool = False
    self_service: bool = False
    referred: bool = False
    author: str = ""
    visibility: str = ""
    about: "Target" = None
    content: str = ""


# Attributes -------------------------------------------------------------------------------------------------------------

#: Every published attribute is in one class. One that is in none fails the test.
CLASSES = {
    # What says what an entry is; its own name is what `Target.dn` begins with.
    "object class": "objectClass",
    "structure": "structuralObjectClass entryDN subschemaSubentry",
    "id": "entryUUID",
    "times": "createTimestamp modifyTimestamp",
    # What the server keeps of an entry besides.
    "bookkeeping": "creatorsName modifiersName entryCSN hasSubordinates numSubordinates governingStructureRule collectiveAttributeSubentries hcProvisionedBy hcDeletedBy",
    # Nobody reads, searches or compares them: X-SECRET.
    "secret": "authPassword userPassword nisSecretKey hcOneTimeSecret hcApplicationPassword",
    "kept secret": "pwdHistory hcTokenHash",
    # What a printed directory of the house would have: X-DIRECTORY.
    "directory": "cn sn l o ou title physicalDeliveryOfficeName telephoneNumber facsimileTelephoneNumber givenName initials generationQualifier "
    "uid labeledURI co mail mobile personalTitle roomNumber photo departmentNumber displayName jpegPhoto preferredLanguage hcEmail hcPhoto "
    "hcFormattedName hcMiddleName hcHonorificPrefix hcHonorificSuffix hcNickname hcDivision hcDepartment",
    # X-STAFF-ONLY.
    "staff only": "homePhone homePostalAddress carLicense employeeNumber employeeType hcStartDate hcEndDate hcPhoneNumber hcPostalAddress "
    "hcInstantMessaging hcEmploymentType hcCostCenter",
    # What somebody may do and how it gets in is for itself and for who manages users (U2).
    "account": "hcUserType hcRole hcPrimaryRole hcLicence hcEntitlement hcNoMail hcAllowedAddress hcDefaultVisibility hcExternalId "
    "hcIncreaseSessionLimit",
    "account state": "hcAccountState hcEffectiveRole hcPermission memberOf pwdReset pwdChangedTime pwdGraceUseTime pwdAccountLockedTime "
    "pwdFailureTime pwdLastSuccess",
    "policy": "pwdPolicySubentry pwdStartTime pwdEndTime",
    # Of licences, roles, groups, sessions, content and organisations.
    "terms": "hcCountingMode hcIdleTimeout hcReleaseMode hcTimeZone hcPartner hcWhenFull hcOverdraft hcMinimumIdle hcPerUserLimit hcMaximumAge "
    "hcReportOnly hcLicenceDefault hcSelfService hcScram hcSoftLimit "
    "hcReservedSeats hcSeatLimit hcSharedLicence hcSharedWith",
    "self-service terms": "hcPackage hcSessionLimit",
    "in use": "hcSessionsInUse",
    "opened to users": "hcSelfServiceAttribute",
    "role": "hcRolePermission hcRoleRestriction hcRoleSystem",
    "members": "member uniqueMember hcAdministrator hcViewOnlyMember hcPastMember memberUid memberURL",
    "effective members": "hcEffectiveMember",
    "parent": "hcParentGroup",
    "lock": "hcAdminOnly",
    "session": "hcSessionId hcSessionUser hcSessionLicence hcSessionClient hcSessionApplication hcSessionStarted hcLastActivity",
    "session end": "hcSessionExpires",
    "content": "hcContentType hcVisibility hcVisibleTo hcSubject hcBody hcDue hcCompleted hcChannel hcDirection",
    "author": "hcAuthor",
    "completion": "hcCompletionNote hcCompletionVisibility hcCompletionVisibleTo",
    # The rest of what people write about people and things.
    "ordinary": "description seeAlso owner hcStaff manager secretary businessCategory hcActive hcProfileUrl hcLocale hcPreferredTimeZone street st c "
    "postalAddress postalCode postOfficeBox pager audio userCertificate userSMIMECertificate userPKCS12 x500UniqueIdentifier hcCertificate "
    "serialNumber name distinguishedName searchGuide telexNumber teletexTerminalIdentifier x121Address internationalISDNNumber registeredAddress "
    "destinationIndicator preferredDeliveryMethod dnQualifier enhancedSearchGuide houseIdentifier dc knowledgeInformation presentationAddress "
    "supportedApplicationContext protocolInformation dmdName pseudonym cACertificate authorityRevocationList certificateRevocationList "
    "crossCertificatePair supportedAlgorithms deltaRevocationList email associatedDomain buildingName documentIdentifier documentLocation "
    "documentPublisher documentTitle documentVersion drink host info organizationalStatus uniqueIdentifier userClass textEncodedORAddress "
    "otherMailbox aRecord mDRecord mXRecord nSRecord sOARecord cNAMERecord janetMailbox mailPreferenceOption dSAQuality singleLevelQuality "
    "subtreeMinimumQuality subtreeMaximumQuality personalSignature aliasedObjectName roleOccupant associatedName documentAuthor dITRedirect",
    # Of Unix, of subentries, of password policies, of the server itself: on no entry of the kinds below.
    "elsewhere": "uidNumber gidNumber gecos homeDirectory loginShell shadowLastChange shadowMin shadowMax shadowWarning shadowInactive shadowExpire "
    "shadowFlag memberNisNetgroup nisNetgroupTriple ipServicePort ipServiceProtocol ipProtocolNumber oncRpcNumber ipHostNumber ipNetworkNumber "
    "ipNetmaskNumber macAddress bootParameter bootFile nisMapName nisMapEntry nisPublicKey nisDomain automountMapName automountKey "
    "automountInformation pwdAttribute pwdMinAge pwdMaxAge pwdInHistory pwdCheckQuality pwdMinLength pwdExpireWarning pwdGraceAuthNLimit "
    "pwdLockout pwdLockoutDuration pwdMaxFailure pwdFailureCountInterval pwdMustChange pwdAllowUserChange pwdSafeModify pwdMinDelay pwdMaxDelay "
    "pwdMaxIdle pwdMaxLength pwdGraceExpiry c-l c-st c-street c-o c-ou c-PostalAddress c-PostalCode c-PostOfficeBox c-PhysicalDeliveryOfficeName "
    "c-TelephoneNumber c-TelexNumber c-FacsimileTelephoneNumber c-InternationalISDNNumber administrativeRole subtreeSpecification "
    "dITStructureRules dITContentRules matchingRules attributeTypes objectClasses nameForms matchingRuleUse ldapSyntaxes collectiveExclusions ref "
    "namingContexts altServer supportedExtension supportedControl supportedSASLMechanisms supportedLDAPVersion supportedFeatures "
    "supportedAuthPasswordSchemes vendorName vendorVersion monitorContext monitoredInfo monitorCounter monitorOpCompleted monitorOpInitiated "
    "monitorTimestamp",
}
#: What the organisations of the scene let their users change of themselves (U2).
OPENED = "displayName"
FOLLOWS = "cn"
CLASS = {name: held for held, names in CLASSES.items() for name in names.split()}
SECRETS = {"secret", "kept secret"}
#: What the server keeps by itself: nobody writes it.
OWNED = {"structure", "id", "times", "bookkeeping", "kept secret", "account state", "in use", "effective members", "session end"}
#: What `+` means in an access rule; `*` is everything else.
OPERATIONAL = OWNED | {"policy"}
ALL = set(CLASSES) - SECRETS
#: What people see of another person (§8).
# silent: who made an entry is told to who keeps it; ids and times are, since clients keep copies in step by them.
PERSON = {"object class", "structure", "id", "times", "directory", "ordinary"}
DIRECTORY_ONLY = {"object class", "structure", "id", "directory"}
#: What is seen of a container on the way to what one may see.
SIGNPOST = {"object class", "structure", "id", "directory", "ordinary"}
CONTENT = {"object class", "structure", "id", "times", "directory", "ordinary", "content", "author"}


# Groups (§6) ------------------------------------------------------------------------------------------------------------


def level(person, group):
    """The level of somebody in a group, or None: the higher of the one there and the one above (G4)."""
    if group not in GROUPS:
        return None
    found = [GROUPS[group]["members"].get(person)]
    if GROUPS[group]["parent"]:
        found.append(level(person, GROUPS[group]["parent"]))
    return max(found, key=lambda held: LEVELS.index(held) if held else -1)


def belongs(person, group):
    """Administrator or full member."""
    return level(person, group) in ("administrator", "full")


def runs(subject, group):
    return level(subject.name, group) == "administrator"


def keeps_group(subject, group):
    """Whether it may change the group (G2, G3)."""
    if runs(subject, group):
        return True
    return "groups.maintain-all" in subject.permissions and not GROUPS.get(group, {}).get("locked")


# Who sees what: a set of classes, or None where the entry is not there for one -----------------------------------------


def sees(subject, target):
    if subject.operator:
        return ALL
    if subject.of is None:
        return None  # anonymous: the root DSE and the schema only
    if target.name == subject.name:
        return ALL  # U2: a user may view its own details
    if target.of != subject.of:
        # O1. silent: what stands above the organisation is on the way to it.
        return SIGNPOST if target.name == "suffix" else None
    if subject.rule:
        return rule_sees(subject, target)
    return {
        "organisation": way_sees, "container": way_sees, "user": person_sees, "staff": person_sees, "group": group_sees,
        "role": role_sees, "licence": licence_sees, "session": session_sees, "content": content_sees,
    }[target.kind](subject, target)


def way_sees(subject, target):
    # silent: who keeps what is in a container sees all of it.
    keeper = subject.administrator or (target.holds == "staff" and "staff.maintain" in subject.permissions)
    return ALL if keeper else SIGNPOST


def rule_sees(subject, target):
    """What the config gives to `reads` and `keeps` on users and groups; services have nothing else (§8)."""
    if target.kind in ("organisation", "container"):
        given = {"reads": ALL - OPERATIONAL | {"id"}, "keeps": ALL}.get(subject.rule, set()) if target.holds in ("users", "groups") else set()
        return SIGNPOST | given
    if target.kind not in ("user", "group"):
        return None
    return {"reads": ALL - OPERATIONAL | {"id"}, "keeps": ALL}.get(subject.rule)


def person_sees(subject, target):
    held = subject.permissions
    if subject.administrator or (target.kind == "staff" and "staff.maintain" in held):
        return ALL  # U2, T2: who keeps them
    if "people.search" not in held:
        return None
    if not target.active and "people.archived" not in held:
        return None
    # §8: people of groups in which one is administrator or full member; past members are none of its people any more (G5).
    near = any(belongs(subject.name, group) and level(target.name, group) not in (None, "past") for group in GROUPS)
    if "people.search-any" not in held and not near:
        return None
    if subject.directory_only:
        return DIRECTORY_ONLY
    return PERSON | ({"staff only"} if "people.staff-view" in held else set())


def group_sees(subject, target):
    held = subject.permissions
    # G7; who runs a group sees it, since it changes it (G2).
    mine = belongs(subject.name, target.name) and "groups.search-own" in held
    return ALL if "groups.search-any" in held or mine or runs(subject, target.name) else None


def role_sees(subject, target):
    # silent: a role is seen by who holds it, as its own details (U2), but not who else does (§8).
    if subject.administrator:
        return ALL
    return ALL - {"members", "effective members"} if holds(subject, target) else None


def holds(subject, target):
    return target.name == "member" and bool(subject.groups) and bool(subject.permissions)


def licence_sees(subject, target):
    return ALL if subject.administrator else None  # O3


def session_sees(subject, target):
    return ALL if subject.administrator or target.author == subject.name else None  # S13


def content_sees(subject, target):
    if target.author == subject.name:
        return CONTENT | {"completion"}
    if target.visibility == "just-me" or sees(subject, target.about) is None:
        return None  # C2, C5
    if target.visibility == "anyone":
        return CONTENT if "content.read" in subject.permissions else None  # C4
    return CONTENT if belongs(subject.name, target.visibility) else None  # C3


# Who changes what -------------------------------------------------------------------------------------------------------


def writes(subject, target):
    """The classes that it may change, of an entry that it sees."""
    if target.kind == "session":
        return set()  # S3: a bind makes them, and they can only be ended
    changes = set(CLASSES) - OWNED - ({"members"} if target.kind == "role" else set())  # R8: who holds a role is its member
    if subject.operator:
        return changes
    if subject.rule:
        given = target.kind in ("user", "group") or target.holds in ("users", "groups")
        return changes if subject.rule == "keeps" and given else set()
    changes -= SECRETS | {"policy"}
    if target.kind == "organisation":
        return {"opened to users"} if subject.administrator else set()  # U2: what its users change of themselves
    if target.kind == "container":
        return changes if subject.administrator else set()  # O1: the organisation manages its own
    if target.kind == "user":
        # silent: an administrator never chooses a password (hardening 2.1); one's own is changed (U2).
        return changes | {"secret"} if subject.administrator else set()
    if target.kind == "staff":
        return changes if subject.administrator or "staff.maintain" in subject.permissions else set()
    if target.kind == "group":
        given = changes - {"lock"} if keeps_group(subject, target.name) and "groups.maintain-all" in subject.permissions else set()
        # G3, G4, G5: names, members and levels, where it stands, and whether it is locked.
        return given | ({"names", "members", "parent", "lock"} if runs(subject, target.name) else set())
    if target.kind == "role":
        return changes if subject.administrator else set()
    if target.kind == "licence":
        return {"self-service terms"} if subject.administrator and target.self_service else set()
    if target.kind == "content" and target.author == subject.name:
        return {"object class", "content", "completion", "names", "author"}  # to its own name only (C6)
    return set()


def may(subject, target, operation):
    """Whether it may delete or rename the entry, or add one like it beside it."""
    if operation == "delete" and target.kind == "staff" and target.referred:
        return False  # T2
    if subject.operator:
        return True
    if subject.of != target.of:
        return False  # O1
    if subject.rule:
        return subject.rule == "keeps" and target.kind in ("user", "group")
    if target.kind == "user":
        return subject.administrator
    if target.kind == "staff":
        return subject.administrator or "staff.maintain" in subject.permissions
    if target.kind == "group":
        # silent: groups are made by those who manage the organisation (O1), locked ones by nobody who does not run them (G3);
        # who runs a group renames it (G5), and does away with it only where it may change all.
        if operation == "add":
            return subject.administrator and not GROUPS.get(target.name, {}).get("locked")
        maintains = "groups.maintain-all" in subject.permissions
        return keeps_group(subject, target.name) and (maintains or operation == "rename")
    if target.kind == "role":
        return subject.administrator
    if target.kind == "session":
        # S6: its user and administrators end it.
        return operation == "delete" and (subject.administrator or target.author == subject.name)
    if target.kind == "content":
        # silent: what is about somebody is written by who sees it (C5), in its own name (C6); its author deletes it, and its
        # name, which nobody chose, stays.
        if operation == "add":
            return "content.write" in subject.permissions and sees(subject, target.about) is not None
        return operation == "delete" and target.author == subject.name
    return False


def answer(subject, target, attribute, operation):
    """What the server is to answer."""
    seen = sees(subject, target)
    if operation in ("add", "delete", "rename"):
        if may(subject, target, operation):
            return YES
        if operation == "add":
            seen = sees(subject, Target("container", "", of=target.of))
        return NO if seen is not None else NOTHING
    if seen is None:
        return NOTHING
    held = CLASS[attribute]
    if seen is SIGNPOST and held == "directory" and attribute not in ("ou", "o", "displayName"):
        return NOTHING
    if operation == "write":
        if target.name == subject.name and attribute in ("userPassword", "hcDefaultVisibility", OPENED, FOLLOWS):
            return YES  # U2, C2
        given = writes(subject, target)
        return YES if held in given or ("names" in given and attribute in ("cn", "displayName", "description")) else NO
    return YES if held in seen else NOTHING


# Extended operations ----------------------------------------------------------------------------------------------------


def sets_password(subject, target):
    """Of another. silent: an Organisation Admin may, as with a modify; what one may not see is as if it were not there."""
    return answer(subject, target, "userPassword", "write")


def ends_session(subject, target):
    """S6, and docs/ldap-extensions.md: to everybody else the session does not exist."""
    return YES if subject.operator or (subject.of == target.of and may(subject, target, "delete")) else NOTHING


def renews_session(subject, target):
    # docs/ldap-extensions.md names nobody. silent: who may end it.
    return ends_session(subject, target)


def anybody(subject, target):
    return YES


#: What the root DSE may list: its name, and who may; None where it changes nothing of anybody's and tests/rfc has the rest.
EXTENDED = {
    "1.3.6.1.4.1.4203.1.11.1": ("password modify", sets_password),
    "1.3.6.1.4.1.4203.1.11.3": ("who am I", anybody),
    "2.25.128590336736012936669972887359999261034.4.1": ("end session", ends_session),
    "2.25.128590336736012936669972887359999261034.4.2": ("renew session", renews_session),
    "1.3.6.1.1.8": ("cancel", None),
    "1.3.6.1.1.21.1": ("start transaction", None),
    "1.3.6.1.1.21.3": ("end transaction", None),
    "1.3.6.1.4.1.1466.20037": ("StartTLS", None),
}
