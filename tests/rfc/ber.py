"""BER as LDAP has it (RFC 4511 §5.1), written for these tests and knowing nothing of the server."""


def length(count):
    """A definite length in its shortest form."""
    if count < 0x80:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, *parts):
    """An element with the parts put together as its content."""
    content = b"".join(parts)
    return bytes([tag]) + length(len(content)) + content


def octets(value, tag=0x04):
    """An OCTET STRING; text goes as UTF-8."""
    return tlv(tag, value.encode() if isinstance(value, str) else bytes(value))


def integer(value, tag=0x02):
    """An INTEGER in its shortest form."""
    size = 1
    while not -(1 << (8 * size - 1)) <= value < 1 << (8 * size - 1):
        size += 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def enumerated(value):
    return integer(value, 0x0A)


def boolean(value, tag=0x01):
    """A BOOLEAN, TRUE as FF (RFC 4511 §5.1)."""
    return tlv(tag, b"\xff" if value else b"\x00")


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *parts)


class Element:
    """A tag, and the content as octets or as elements."""

    def __init__(self, tag, content):
        self.tag, self.content = tag, content

    @property
    def parts(self):
        return elements(self.content)

    @property
    def text(self):
        return self.content.decode()

    @property
    def number(self):
        return int.from_bytes(self.content, "big", signed=True)

    def __repr__(self):
        return f"{self.tag:#x}:{self.content!r}"


def header(data, at=0):
    """Where the content of the element at `at` begins and ends; nothing where not all of the header is there."""
    if len(data) < at + 2:
        return None
    first = data[at + 1]
    if first < 0x80:
        return at + 2, at + 2 + first
    count = first & 0x7F
    if not count or count > 4:
        raise ValueError(f"a length that LDAP does not have: {first:#x}")
    if len(data) < at + 2 + count:
        return None
    start = at + 2 + count
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def elements(data):
    """The elements that follow each other, which must fill the octets exactly."""
    found, at = [], 0
    while at < len(data):
        where = header(data, at)
        if where is None or where[1] > len(data):
            raise ValueError(f"an element goes beyond its surroundings: {data[at:at + 20]!r}")
        start, end = where
        found.append(Element(data[at], data[start:end]))
        at = end
    return found
