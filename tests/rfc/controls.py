"""Controls as the tests send and read them: each a function that makes one, and one that reads the answer's."""

import ber
from ber import boolean, enumerated, integer, octets, sequence, tlv
from wire import control, filter_of

PAGED, SORT, SORTED, SUBENTRIES, MATCHED = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473", "1.2.840.113556.1.4.474", "1.3.6.1.4.1.4203.1.10.1", "1.2.826.0.1.3344810.2.3"
PRE_READ, POST_READ, ASSERTION, PROXIED = "1.3.6.1.1.13.1", "1.3.6.1.1.13.2", "1.3.6.1.1.12", "2.16.840.1.113730.3.4.18"
TRANSACTION = "1.3.6.1.1.21.2"
SYNC, SYNC_STATE, SYNC_DONE, SYNC_INFO = (f"1.3.6.1.4.1.4203.1.9.1.{number}" for number in (1, 2, 3, 4))


def paged(size, cookie=b"", critical=True):
    return control(PAGED, critical, sequence(integer(size), octets(cookie)))


def page_of(answer):
    """Estimate and cookie of a page (RFC 2696 §2)."""
    size, cookie = ber.elements(ber.elements(answer.control(PAGED))[0].content)
    return size.number, cookie.content


def sort(*keys, critical=True):
    """Keys are names, or triples of name, rule and whether it is reversed (RFC 2891 §1.1)."""
    parts = []
    for key in keys:
        name, rule, reverse = (key, None, None) if isinstance(key, str) else key
        fields = [octets(name)] + ([octets(rule, 0x80)] if rule else []) + ([boolean(reverse, 0x81)] if reverse is not None else [])
        parts.append(sequence(*fields))
    return control(SORT, critical, sequence(*parts))


def sorted_of(answer):
    """Result and attribute of a sort (RFC 2891 §1.2)."""
    result, *attribute = ber.elements(ber.elements(answer.control(SORTED))[0].content)
    return result.number, attribute[0].text if attribute else None


def subentries(visible, critical=True):
    return control(SUBENTRIES, critical, boolean(visible))


def matched(*items, critical=True):
    """Items are texts of simple filters (RFC 3876 §2)."""
    return control(MATCHED, critical, sequence(*map(filter_of, items)))


def read(oid, *attributes, critical=True):
    return control(oid, critical, sequence(*map(octets, attributes)))


def read_of(answer, oid):
    """Name and attributes of the entry in a read control (RFC 4527 §3)."""
    name, attributes = ber.elements(ber.elements(answer.control(oid))[0].content)
    pairs = (part.parts for part in attributes.parts)
    return name.text, {description.text: [value.content.decode() for value in values.parts] for description, values in pairs}


def asserted(text, critical=True):
    return control(ASSERTION, critical, filter_of(text))


def proxied(identity, critical=True):
    return control(PROXIED, critical, identity.encode())


def in_transaction(identifier, critical=True):
    return control(TRANSACTION, critical, identifier)


REFRESH_ONLY, REFRESH_AND_PERSIST = 1, 3


def sync(mode, cookie=None, reload_hint=False, critical=True):
    """The request for content (RFC 4533 §2.2)."""
    parts = [enumerated(mode)] + ([octets(cookie)] if cookie is not None else []) + ([boolean(True)] if reload_hint else [])
    return control(SYNC, critical, sequence(*parts))


ADD_STATE = {0: "present", 1: "add", 2: "modify", 3: "delete"}


def state_of(answer):
    """State, UUID and cookie of an entry (RFC 4533 §2.3)."""
    state, uuid, *cookie = ber.elements(ber.elements(answer.control(SYNC_STATE))[0].content)
    return ADD_STATE[state.number], uuid.content, cookie[0].content if cookie else None


def done_of(answer):
    """Cookie and refreshDeletes of the end (RFC 4533 §2.4)."""
    parts = ber.elements(ber.elements(answer.control(SYNC_DONE))[0].content)
    cookie = next((part.content for part in parts if part.tag == 0x04), None)
    return cookie, any(part.tag == 0x01 and part.content != b"\0" for part in parts)


def cancel(message_id):
    """The value of a cancel request (RFC 3909 §2.1)."""
    return sequence(integer(message_id))


def end_transaction(identifier, commit=True):
    """The value of a request to end a transaction (RFC 5805 §2.3)."""
    return sequence(b"" if commit else boolean(False), octets(identifier))


def password(identity=None, old=None, new=None):
    """The value of a password modify request (RFC 3062 §2)."""
    parts = [octets(value, tag) for tag, value in ((0x80, identity), (0x81, old), (0x82, new)) if value is not None]
    return tlv(0x30, *parts)
