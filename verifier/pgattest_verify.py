#!/usr/bin/env python3
"""Verify a pgattest evidence package, independently of pgattest.

Checks that not one byte of the package was changed since a key that you trust
signed it, and that the organisation's ledger records it. Needs Python 3.9 or
later and the package `cryptography` (38 or later), and nothing else.

It does not re-perform the verdicts from the observations: `pgattest verify` does.

Exit status: 0 verified; 1 not verified (something is wrong, or the signing key is
not one that you trust); 2 the check could not be run.

The format is specified in docs/evidence-package.md. This file was written from
that specification, and shares no code with pgattest.
"""

import argparse
import base64
import binascii
import hashlib
import json
import math
import os
import re
import struct
import sys
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LARGEST_PACKAGE = 1 << 30
MOST_FILES = 65_534
DEEPEST_JSON = 127

MANIFEST = "manifest.json"
STATEMENT = "manifest.dsse.json"
SIGNATURE = "manifest.sshsig"
CHECKPOINT = "ledger/checkpoint"
PROOF = "ledger/proof.json"
ENVELOPE = (CHECKPOINT, PROOF, STATEMENT, MANIFEST, SIGNATURE)
REQUIRED = ("README.txt", "observations.jsonl", "verdicts.json")
CONTAINER = "the package"

NAMESPACE = b"pgattest"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:pgattest:evidence:v1"

VERIFIED, NOT_VERIFIED, FAILED = "verified", "not verified", "failed"

STEPS = {
    "container": "the zip file is exactly what its contents make it",
    "manifest": "manifest.json is complete and canonical",
    "files": "every file has the digest in the manifest, and no other file is there",
    "statement": "manifest.dsse.json signs this manifest",
    "signature": "manifest.sshsig signs this manifest",
    "checkpoint": "ledger/checkpoint is signed",
    "inclusion": "the ledger records this manifest",
    "trust": "the signing key is one you trust",
    "anchor": "the ledger agrees with the checkpoint kept elsewhere",
}


class Wrong(Exception):
    """Something that is not as it has to be."""


class Unusable(Exception):
    """The check cannot be run."""


class Problem:
    """Something wrong, and the file it is wrong with."""

    def __init__(self, file, what):
        self.file = harmless(file)
        self.what = harmless(what)

    def __str__(self):
        return f"{self.file}: {self.what}"

    __repr__ = __str__


class Report:
    """How each step ended: `steps` maps its name to `ok`, a list of problems, or
    the reason why it could not be checked."""

    def __init__(self):
        self.steps = {}
        self.notes = []
        self.signer = None

    def problems(self):
        return [p for end in self.steps.values() if isinstance(end, list) for p in end]

    def verdict(self):
        if self.problems():
            return FAILED
        if self.steps and all(end == "ok" for end in self.steps.values()):
            return VERIFIED
        return NOT_VERIFIED


# --- the checks, in order ----------------------------------------------------


def verify(path, key, checkpoint=None, consistency=None):
    """Everything that keeps the package at `path` from being verified, as a list
    of texts. `key` is the text of a public key file. Empty means verified."""
    with open(path, "rb") as file:
        package = file.read(LARGEST_PACKAGE + 1)
    report = check(package, read_keys(key), os.path.basename(path), checkpoint, consistency)
    problems = [str(problem) for problem in report.problems()]
    problems += [end for end in report.steps.values() if isinstance(end, str) and end != "ok"]
    return problems


def check(package, trusted, name=None, checkpoint=None, consistency=None):
    """Checks the bytes of a package against raw 32-byte public keys."""
    report = Report()
    steps = report.steps
    unreached = "not reached: an earlier step found damage"
    for step in list(STEPS)[:8]:
        steps[step] = unreached

    files, problems = read_container(package)
    steps["container"] = problems or "ok"
    if problems:
        return report
    try:
        manifest = read_manifest(files)
    except Wrong as wrong:
        steps["manifest"] = [Problem(MANIFEST, str(wrong))]
        return report
    steps["manifest"] = "ok"
    if name is not None and name != manifest["package"]:
        report.notes.append(
            harmless(f"the package was made under the name {manifest['package']!r}, and is now named {name!r}")
        )
    steps["files"] = check_files(files, manifest) or "ok"

    signature, signature_wrong = None, None
    try:
        signature = read_sshsig(need(files, SIGNATURE))
    except Wrong as wrong:
        signature_wrong = wrong
    # The trusted key that the statement names, or else the one in the signature.
    signer = signer_of_statement(files, trusted) or (signature and signature[0])
    report.signer = signer

    def step(name, file, act):
        try:
            result = act()
        except Wrong as wrong:
            steps[name] = [Problem(file, str(wrong))]
            return None
        steps[name] = "ok"
        return result

    def check_signature():
        if signature_wrong:
            raise signature_wrong
        if signature[0] != signer:
            raise Wrong("it names another key than the statement does")
        message = sshsig_message(files[MANIFEST])
        if not ed25519_ok(signer, signature[1], message):
            raise Wrong("the signature does not fit manifest.json")

    step("statement", STATEMENT, lambda: check_statement(files, manifest, signer))
    step("signature", SIGNATURE, check_signature)
    head = step("checkpoint", CHECKPOINT, lambda: read_checkpoint(need(files, CHECKPOINT), signer))
    step("inclusion", PROOF, lambda: check_inclusion(files, manifest, head))
    steps["trust"] = trust(signer, trusted)
    if checkpoint is not None:
        if head is None:
            steps["anchor"] = unreached
        else:
            try:
                steps["anchor"] = check_anchor(checkpoint, consistency, head, signer)
            except Wrong as wrong:
                steps["anchor"] = [Problem(CHECKPOINT, str(wrong))]
    return report


def need(files, name):
    if name not in files:
        raise Wrong("it is missing")
    return files[name]


def trust(signer, trusted):
    if signer is None:
        return "who signed it cannot be told"
    if signer in trusted:
        return "ok"
    if not trusted:
        return f"signed by {fingerprint(signer)}, which you have not said you trust"
    keys = ", ".join(fingerprint(key) for key in trusted)
    return f"signed by {fingerprint(signer)}, which is none of the keys you trust ({keys})"


# --- the container -----------------------------------------------------------

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
PATH = re.compile(r"[A-Za-z0-9._/-]{1,240}\Z")


def local_header(name, crc, size):
    fields = (b"PK\3\4", 20, 0, 0, 0, 0x21, crc, size, size, len(name), 0)
    return LOCAL.pack(*fields) + name


def directory(records, start):
    """The central directory and the end record, as they have to be."""
    central = b""
    for name, crc, size, offset in records:
        fields = (b"PK\1\2", 0x314, 20, 0, 0, 0, 0x21, crc, size, size, len(name))
        central += CENTRAL.pack(*fields, 0, 0, 0, 0, 0o100644 << 16, offset) + name
    end = END.pack(b"PK\5\6", 0, 0, len(records), len(records), len(central), start, 0)
    return central + end


def read_container(package):
    """The files by name, and everything that is wrong with the zip file."""
    files, problems, records = {}, [], []
    names, folders = set(), set()
    if len(package) > LARGEST_PACKAGE:
        return {}, [Problem(CONTAINER, "it is too large to be an evidence package")]
    at = 0
    while package[at : at + 4] == b"PK\3\4":
        if at + LOCAL.size > len(package):
            return files, problems + [Problem(CONTAINER, f"byte {at}: it ends within a header")]
        header = LOCAL.unpack_from(package, at)
        flags, method, crc, size, length = header[2], header[3], header[6], header[8], header[9]
        raw = package[at + LOCAL.size : at + LOCAL.size + length]
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError:
            return files, problems + [Problem(CONTAINER, f"byte {at}: a file name is not ASCII")]
        if len(raw) != length:
            return files, problems + [Problem(CONTAINER, f"byte {at}: it ends within a file name")]
        if flags & 1:
            problems.append(Problem(name, "it is encrypted"))
        elif method:
            problems.append(Problem(name, "it is compressed; files of a package are stored as they are"))
        elif package[at : at + LOCAL.size + length] != local_header(raw, crc, size):
            problems.append(Problem(name, f"its zip header (byte {at}) is not as it has to be"))
        if not path_ok(name):
            problems.append(Problem(name, "its name is not allowed"))
        lower = name.lower()
        above = {lower[:i] for i, c in enumerate(lower) if c == "/"}
        if lower in names or lower in folders or above & names:
            problems.append(Problem(name, "there is a second file of its name"))
        if records and records[-1][0] >= raw:
            problems.append(Problem(name, "it is out of order"))
        names.add(lower)
        folders |= above

        start = at + LOCAL.size + length
        data = package[start : start + size]
        if len(data) != size:
            return files, problems + [Problem(name, "the zip file ends before it does")]
        if zlib.crc32(data) != crc:
            problems.append(Problem(name, "its bytes do not have the CRC-32 in its zip header"))
        files[name] = data
        records.append((raw, crc, size, at))
        at = start + size
    if not records:
        problems.append(Problem(CONTAINER, "it does not start with a file of a zip archive"))
    elif len(records) > MOST_FILES:
        problems.append(Problem(CONTAINER, "it has too many files"))
    else:
        expected, found = directory(records, at), package[at:]
        if expected != found:
            both = zip(expected, found)
            place = at + next((i for i, (e, f) in enumerate(both) if e != f), min(len(expected), len(found)))
            what = f"its zip directory is not as it has to be, from byte {place} on"
            problems.append(Problem(CONTAINER, what))
    return files, problems


def path_ok(name):
    if not PATH.match(name):
        return False
    return all(part and part[0] != "." and part[-1] != "." for part in name.split("/"))


# --- canonical JSON (RFC 8785) -----------------------------------------------


def read_canonical(data, what=""):
    """Reads JSON that has to be in its one canonical spelling."""

    def unique(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Wrong(f"{what}not canonical JSON: a key is there twice")
        return found

    def constant(text):
        raise Wrong(f"{what}not valid JSON: {text}")

    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
        written = canonical(value, DEEPEST_JSON).encode("utf-8")
    except (ValueError, RecursionError, OverflowError) as error:
        raise Wrong(f"{what}not valid JSON: {error}") from None
    if written != data:
        both = zip(written, data)
        place = next((i for i, (w, d) in enumerate(both) if w != d), min(len(written), len(data)))
        raise Wrong(f"{what}not canonical JSON: byte {place} is not as RFC 8785 writes it")
    return value


def canonical(value, depth):
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return canonical_string(value)
    if isinstance(value, (int, float)):
        return canonical_number(float(value))
    if depth == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth - 1) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    pairs = (canonical_string(key) + ":" + canonical(value[key], depth - 1) for key in keys)
    return "{" + ",".join(pairs) + "}"


ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def canonical_string(text):
    def escape(c):
        if c in ESCAPES:
            return ESCAPES[c]
        return f"\\u{ord(c):04x}" if c < " " else c

    return '"' + "".join(map(escape, text)) + '"'


def canonical_number(number):
    """As ECMAScript's Number.prototype.toString writes a double."""
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    # The value is 0.DIGITS * 10**point.
    point = len(whole) + int(exponent or 0)
    if whole == "0":
        point -= 1 + len(fraction) - len(fraction.lstrip("0"))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = ("." + digits[1:]) if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


# --- the manifest and the files ----------------------------------------------


def fields(value, where, **types):
    """Checks that an object has exactly these fields of these types."""
    if not isinstance(value, dict) or set(value) != set(types):
        raise Wrong(f"{where} does not have the fields {', '.join(types)}")
    for name, type_ in types.items():
        found = value[name]
        fits = type_ is object or (
            any(isinstance(found, one) for one in (type_ if isinstance(type_, tuple) else (type_,)))
            # In Python, True is an int.
            and not isinstance(found, bool)
        )
        if not fits:
            raise Wrong(f"{where} has a field {name!r} of another type")
    return value


NONE = type(None)


def read_manifest(files):
    manifest = read_canonical(need(files, MANIFEST))
    fields(
        manifest,
        "it",
        schema=str,
        package=str,
        tool=dict,
        target=object,
        period=dict,
        clock_skew_ms=(int, NONE),
        files=list,
        not_visible=list,
        notes=list,
    )
    if manifest["schema"] != "pgattest.manifest/1":
        raise Wrong(f"a manifest of schema {manifest['schema']!r} is not known")
    fields(manifest["tool"], "its tool", name=str, version=str, sha256=(str, NONE))
    fields(manifest["period"], "its period", started_at=str, finished_at=str)
    if not in_range(manifest["clock_skew_ms"] or 0, -(1 << 63), 1 << 63):
        raise Wrong("its clock_skew_ms is out of range")
    for file in manifest["files"]:
        fields(file, "one of its files", path=str, bytes=int, sha256=str)
        if not in_range(file["bytes"], 0, 1 << 64):
            raise Wrong("the length of one of its files is out of range")
    paths = [file["path"] for file in manifest["files"]]
    if any(one.encode() >= two.encode() for one, two in zip(paths, paths[1:])):
        raise Wrong("its files are not in the order of their paths, each once")
    for required in REQUIRED:
        if required not in paths:
            raise Wrong(f"it does not list {required}, which every package has")
    for path in paths:
        if path in ENVELOPE:
            raise Wrong(f"it lists {path}, which follows it")
    return manifest


def in_range(number, low, high):
    return low <= number < high


def check_files(files, manifest):
    problems = []
    listed = set(ENVELOPE)
    for entry in manifest["files"]:
        path = entry["path"]
        listed.add(path)
        if path not in files:
            problems.append(Problem(path, "it is missing"))
        elif len(files[path]) != entry["bytes"]:
            problems.append(Problem(path, f"it has {len(files[path])} bytes, not {entry['bytes']}"))
        elif hashlib.sha256(files[path]).hexdigest() != entry["sha256"]:
            problems.append(Problem(path, "its SHA-256 is not the one in the manifest"))
    for name in ENVELOPE:
        if name not in files:
            problems.append(Problem(name, "it is missing"))
    for name in files:
        if name not in listed:
            problems.append(Problem(name, "the manifest does not list it"))
    return problems


# --- signatures --------------------------------------------------------------


def ed25519_ok(key, signature, message):
    """Checks a signature. `cryptography` refuses a scalar that is too large, so a
    signature has one spelling."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def from_base64(text):
    """Standard base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("it holds something that is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Wrong("it holds base64 that is not in its one spelling")
    return data


def key_id(key):
    return hashlib.sha256(key).hexdigest()


def signer_of_statement(files, trusted):
    try:
        id_ = read_envelope(need(files, STATEMENT))[1]
    except Wrong:
        return None
    return next((key for key in trusted if key_id(key) == id_), None)


def read_envelope(data):
    envelope = read_canonical(data, "envelope: ")
    fields(envelope, "the envelope", payload=str, payloadType=str, signatures=list)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise Wrong(f"the payload is not of type {PAYLOAD_TYPE}")
    if len(envelope["signatures"]) != 1:
        raise Wrong(f"there are {len(envelope['signatures'])} signatures, not one")
    signature = fields(envelope["signatures"][0], "the signature", keyid=str, sig=str)
    return from_base64(envelope["payload"]), signature["keyid"], from_base64(signature["sig"])


def check_statement(files, manifest, signer):
    payload, id_, signature = read_envelope(need(files, STATEMENT))
    if signer is None:
        raise Wrong("there is no key to check it with")
    if id_ != key_id(signer):
        raise Wrong("the envelope was signed by another key")
    encoded = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    if not ed25519_ok(signer, signature, encoded):
        raise Wrong("the signature does not fit the payload")
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    expected = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": MANIFEST, "digest": {"sha256": digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "manifest_schema": manifest["schema"],
            "tool": manifest["tool"],
            "target": manifest["target"],
            "period": manifest["period"],
        },
    }
    # Canonical text rather than values, since in Python 1 equals True. What the
    # manifest nests, the statement nests one level deeper.
    found = canonical(read_canonical(payload, "payload: "), DEEPEST_JSON)
    if found != canonical(expected, DEEPEST_JSON + 1):
        raise Wrong("the statement is about another manifest, or says something else than this one does")


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


def ssh_key_blob(key):
    return ssh_string(b"ssh-ed25519") + ssh_string(key)


def sshsig_message(message):
    digest = hashlib.sha512(message).digest()
    return b"SSHSIG" + b"".join(map(ssh_string, (NAMESPACE, b"", b"sha512", digest)))


def sshsig_text(key, signature):
    """The one spelling of a signature, as `ssh-keygen -Y sign` writes it."""
    blob = b"SSHSIG" + struct.pack(">I", 1)
    blob += ssh_string(ssh_key_blob(key))
    blob += ssh_string(NAMESPACE) + ssh_string(b"") + ssh_string(b"sha512")
    blob += ssh_string(ssh_string(b"ssh-ed25519") + ssh_string(signature))
    text = base64.b64encode(blob).decode()
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    lines = ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]
    return "\n".join(lines).encode()


def read_sshsig(data):
    """The key and the signature in an armored OpenSSH signature."""
    lines = data.split(b"\n")
    try:
        blob = base64.b64decode(b"".join(lines[1:-2]), validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("it is not an OpenSSH signature") from None
    # magic, version, key blob, namespace, reserved, hash, signature blob: every
    # field has one length, so the places of the two that vary are fixed.
    key, signature = blob[33:65], blob[-64:]
    if len(signature) != 64 or data != sshsig_text(key, signature):
        raise Wrong("it is not an Ed25519 signature with SHA-512 in the namespace `pgattest`")
    return key, signature


# --- the ledger --------------------------------------------------------------

ORIGIN = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]{1,200}\Z")


class Head:
    def __init__(self, origin, size, root):
        self.origin, self.size, self.root = origin, size, root


def read_checkpoint(data, signer):
    """A ledger's origin, size and root, which the signer has to have signed."""
    if len(data) > 4096:
        raise Wrong("not a checkpoint: it is too long")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Wrong("not a checkpoint: it is not UTF-8") from None
    if len(lines) != 6 or lines[3] or lines[5]:
        raise Wrong("not a checkpoint: it is not three lines, a blank one and a signature")
    origin, size, root, note = lines[0], lines[1], lines[2], lines[4]
    if not ORIGIN.match(origin) or len(origin.encode()) > 200:
        raise Wrong("not a checkpoint: its first line cannot name a ledger")
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", size) or int(size) >= 1 << 64:
        raise Wrong("not a checkpoint: its second line is no size")
    root = from_base64(root)
    start = f"\u2014 {origin} "
    if not note.startswith(start):
        raise Wrong("not a checkpoint: it is not signed under its own name")
    signature = from_base64(note[len(start) :])
    if len(root) != 32 or len(signature) != 68:
        raise Wrong("not a checkpoint: its root or its signature has another length")
    if signer is None:
        raise Wrong("there is no key to check it with")
    id_ = hashlib.sha256(origin.encode() + b"\n\x01" + signer).digest()[:4]
    if signature[:4] != id_:
        raise Wrong("the checkpoint was signed by another key")
    body = "".join(line + "\n" for line in lines[:3])
    if not ed25519_ok(signer, signature[4:], body.encode()):
        raise Wrong("the checkpoint's signature does not fit its text")
    return Head(origin, int(size), root)


def read_hashes(texts):
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
            raise Wrong(f"hash {place} is not 64 lower-case hexadecimal digits")
    return [bytes.fromhex(text) for text in texts]


def check_inclusion(files, manifest, head):
    proof = read_canonical(need(files, PROOF))
    fields(proof, "it", schema=str, index=int, entry=str, hashes=list, checkpoint=str)
    if proof["schema"] != "pgattest.inclusion-proof/1":
        raise Wrong(f"a proof of schema {proof['schema']!r} is not known")
    leaf = proof["entry"].encode("utf-8")
    entry = read_canonical(leaf, "its entry: ")
    fields(
        entry,
        "its entry",
        schema=str,
        kind=str,
        manifest_sha256=str,
        target=str,
        recorded_at=str,
        package=str,
        summary=object,
    )
    if (entry["schema"], entry["kind"]) != ("pgattest.ledger-entry/1", "evidence"):
        raise Wrong("an entry of its schema and kind is not known")
    if entry["manifest_sha256"] != hashlib.sha256(files[MANIFEST]).hexdigest():
        raise Wrong("its entry is about another manifest")
    if entry["package"] != manifest["package"]:
        raise Wrong("its entry is about another package")
    if proof["checkpoint"].encode("utf-8") != need(files, CHECKPOINT):
        raise Wrong(f"its checkpoint is not the one in {CHECKPOINT}")
    if head is None:
        raise Wrong("there is no checkpoint to check it against")
    if proof["index"] + 1 != head.size:
        raise Wrong("its checkpoint is not the one right after its entry")
    hashes = read_hashes(proof["hashes"])
    root = root_from_path(hashlib.sha256(b"\0" + leaf).digest(), proof["index"], head.size, hashes)
    if root != head.root:
        raise Wrong("the proof leads to another root")


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size):
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def root_from_path(leaf, index, size, path):
    """The root that an inclusion proof leads to (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise Wrong(f"entry {index} lies outside of a tree of {size}")
    # From the root down: on which side of the path each sibling is.
    sides = []
    while size > 1:
        left = split(size)
        if index < left:
            sides.append("right")
            size = left
        else:
            sides.append("left")
            index, size = index - left, size - left
    if len(sides) != len(path):
        raise Wrong("the proof has a wrong number of hashes")
    for side, sibling in zip(reversed(sides), path):
        leaf = node(leaf, sibling) if side == "right" else node(sibling, leaf)
    return leaf


def roots_from_consistency(old, old_root, new, path):
    """The two roots that a consistency proof leads to (RFC 6962, 2.1.2)."""
    path = list(path)

    def take():
        if not path:
            raise Wrong("the consistency proof has a wrong number of hashes")
        return path.pop()

    # From the root down; the proof's last hash belongs to the top.
    turns = []
    size, whole = new, True
    while old < size:
        left = split(size)
        if old <= left:
            turns.append(("right", take()))
            size = left
        else:
            turns.append(("left", take()))
            old, size, whole = old - left, size - left, False
    both = old_root if whole else take()
    if path:
        raise Wrong("the consistency proof has a wrong number of hashes")
    first = second = both
    for side, sibling in reversed(turns):
        if side == "left":
            first, second = node(sibling, first), node(sibling, second)
        else:
            second = node(second, sibling)
    return first, second


def check_anchor(checkpoint, consistency, ours, signer):
    try:
        theirs = read_checkpoint(checkpoint, signer)
    except Wrong as wrong:
        raise Wrong(f"the checkpoint kept elsewhere: {wrong}") from None
    if theirs.origin != ours.origin:
        raise Wrong("the checkpoint kept elsewhere is of another ledger")
    if theirs.size == ours.size:
        if theirs.root != ours.root:
            raise Wrong("the checkpoint kept elsewhere has the same size and another root: the ledger was forked")
        return "ok"
    if consistency is None:
        return (
            f"the checkpoint kept elsewhere has size {theirs.size}, this package's {ours.size}; "
            "a consistency proof is needed to compare them"
        )
    old, new = sorted((ours, theirs), key=lambda head: head.size)
    proof = read_canonical(consistency, "the consistency proof: ")
    fields(proof, "the consistency proof", schema=str, old_size=int, new_size=int, hashes=list)
    if proof["schema"] != "pgattest.consistency-proof/1":
        raise Wrong(f"a proof of schema {proof['schema']!r} is not known")
    if (proof["old_size"], proof["new_size"]) != (old.size, new.size):
        raise Wrong("the consistency proof is not between these checkpoints")
    hashes = read_hashes(proof["hashes"])
    if old.size == 0:
        agrees = not hashes and old.root == hashlib.sha256(b"").digest()
    else:
        agrees = roots_from_consistency(old.size, old.root, new.size, hashes) == (old.root, new.root)
    if not agrees:
        raise Wrong("the ledger does not agree with the checkpoint kept elsewhere")
    return "ok"


# --- keys --------------------------------------------------------------------


def read_keys(text):
    """The raw public keys in a file of OpenSSH public keys, `allowed_signers`
    lines or hexadecimal digits."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        words = line.split()
        key = None
        if re.fullmatch(r"[0-9a-fA-F]{64}", line):
            key = bytes.fromhex(line)
        elif "ssh-ed25519" in words[:-1]:
            blob = words[words.index("ssh-ed25519") + 1]
            try:
                decoded = from_base64(blob)
            except Wrong:
                decoded = b""
            if len(decoded) == 51 and decoded == ssh_key_blob(decoded[19:]):
                key = decoded[19:]
        if key is None:
            raise Unusable(f"line {number} of the key file is not an Ed25519 public key")
        keys.append(key)
    if not keys:
        raise Unusable("there is no public key in the key file")
    return keys


def fingerprint(key):
    digest = hashlib.sha256(ssh_key_blob(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


# --- the command line --------------------------------------------------------


def harmless(text):
    """Escapes what a terminal would act on: names come from the package."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def read_file(path, what):
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_PACKAGE + 1)
    except OSError as error:
        raise Unusable(f"cannot read the {what}: {error}") from None


def show(report, quiet):
    verdict = report.verdict()
    for step, end in report.steps.items():
        if quiet and end == "ok":
            continue
        mark = "ok     " if end == "ok" else "FAILED " if isinstance(end, list) else "unknown"
        print(f"{mark}  {STEPS[step]}")
        if isinstance(end, list):
            for problem in end:
                print(f"         {problem}")
        elif end != "ok":
            print(f"         {harmless(end)}")
    for note in report.notes:
        print(f"note     {note}")
    if verdict == VERIFIED:
        print(f"VERIFIED: signed by {fingerprint(report.signer)}")
        print("The verdicts were not re-performed; `pgattest verify` does that.")
    elif verdict == NOT_VERIFIED:
        print("NOT VERIFIED: nothing is wrong, but not everything could be found out (see `unknown` above)")
    else:
        print("FAILED: this package is not what was sealed")
    return 0 if verdict == VERIFIED else 1


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", help="the evidence package, a zip file")
    parser.add_argument(
        "--key",
        metavar="FILE",
        help="the public key that you trust; get it from the organisation, never from the package",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="a checkpoint of the ledger that you kept")
    parser.add_argument(
        "--consistency",
        metavar="FILE",
        help="a proof that the ledger only grew between that checkpoint and the package's",
    )
    parser.add_argument("--quiet", action="store_true", help="show only what is not ok")
    options = parser.parse_args(arguments)
    try:
        package = read_file(options.package, "package")
        keys = []
        if options.key:
            keys = read_keys(read_file(options.key, "key").decode("utf-8", "replace"))
        checkpoint = options.checkpoint and read_file(options.checkpoint, "checkpoint")
        consistency = options.consistency and read_file(options.consistency, "consistency proof")
        name = os.path.basename(options.package)
        return show(check(package, keys, name, checkpoint, consistency), options.quiet)
    except Unusable as error:
        print(f"pgattest_verify: {harmless(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
