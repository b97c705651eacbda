"""A gate before each broker of a Kafka cluster that knows no SASL: TLS and SASL as Kafka has them, strictly.

    kafka_gate.py CERTIFICATE KEY CA USER PASSWORD BROKER...

A connection may ask for ApiVersions, and must then pass SaslHandshake and SaslAuthenticate (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512;
RFC 4616, 5802, 7677). Only then it reaches the broker. Whatever else comes, or comes in another order, closes it.

Prints the gates' ports, then answers one line to each command:
  password NEW           the user's password from now on
  offer MECHANISM,..     what is offered
  cut N                  the next N connections are cut after SaslHandshake
  lie yes|no             the server's signature is that of somebody who does not know the password
  expire                 every connection that has passed is closed, as at the end of a session's lifetime
  passed                 how many connections have passed
  official TOPIC PARTITIONS MECHANISM USER PASSWORD
                         librdkafka, by confluent-kafka, through the gates: writes a message, reads the topic to its end; the numbers
                         (header `seq`) as JSON, or the error
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
import struct
import sys
import threading

import confluent_kafka

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36
UNSUPPORTED_VERSION, UNSUPPORTED_MECHANISM, AUTHENTICATION_FAILED = 35, 33, 58
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
ITERATIONS = 4096

certificate, key, ca, user, password, *brokers = sys.argv[1:]
offered = ["PLAIN", *HASHES]
cuts, lie, passed = 0, False, 0
open_now = set()
ports = []


class Strict(Exception):
    """What no client may do."""


class Refused(Exception):
    """Authentication failed."""


def expect(condition, what):
    if not condition:
        raise Strict(what)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        expect(0 <= count <= len(self.data), "cut short")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def tags(self):
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Plain:
    def step(self, message):
        parts = message.split(b"\0")
        expect(len(parts) == 3, "PLAIN has three parts")
        authorized, name, secret = (part.decode() for part in parts)
        if authorized not in ("", name) or name != user or secret != password:
            raise Refused("Invalid username or password")
        return b"", True


class Scram:
    def __init__(self, mechanism):
        self.hash = HASHES[mechanism]
        self.first = None

    def step(self, message):
        return self.final(message) if self.first else self.begin(message)

    def begin(self, message):
        header, bare = message[:3], message[3:].decode()
        expect(header == b"n,,", "no channel binding and no other identity")
        name, nonce = bare.split(",", 1)
        expect(name.startswith("n=") and nonce.startswith("r="), bare)
        self.name = name[2:].replace("=2C", ",").replace("=3D", "=")
        expect(len(nonce) > 10 and "," not in nonce, "a nonce of the client's")
        self.nonce = nonce[2:] + base64.b64encode(os.urandom(18)).decode()
        self.salt = os.urandom(16)
        salt = base64.b64encode(self.salt).decode()
        self.first = f"r={self.nonce},s={salt},i={ITERATIONS}"
        self.bare = bare
        return self.first.encode(), False

    def final(self, message):
        without, proof = message.decode().rsplit(",p=", 1)
        expect(without == f"c={base64.b64encode(b'n,,').decode()},r={self.nonce}", without)
        salted = hashlib.pbkdf2_hmac(self.hash, password.encode(), self.salt, ITERATIONS)

        def sign(secret, data):
            return hmac.new(secret, data, self.hash).digest()

        client_key = sign(salted, b"Client Key")
        stored = hashlib.new(self.hash, client_key).digest()
        whole = f"{self.bare},{self.first},{without}".encode()
        signature = sign(stored, whole)
        shown = bytes(a ^ b for a, b in zip(base64.b64decode(proof, validate=True), signature, strict=True))
        right = hmac.compare_digest(hashlib.new(self.hash, shown).digest(), stored)
        if lie:
            return b"v=" + base64.b64encode(os.urandom(len(stored))), True
        if self.name != user or not right:
            raise Refused("Authentication failed during authentication due to invalid credentials with SASL mechanism")
        return b"v=" + base64.b64encode(sign(sign(salted, b"Server Key"), whole)), True


async def read_frame(reader):
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    expect(0 < length < 1 << 20, "a frame's length")
    return await reader.readexactly(length)


def write_frame(writer, body):
    writer.write(struct.pack(">i", len(body)) + body)


async def versions_of(broker):
    """What the broker speaks, and what the gate adds."""
    reader, writer = await asyncio.open_connection(*broker.rsplit(":", 1))
    write_frame(writer, struct.pack(">hhi", API_VERSIONS, 0, 1) + text("gate"))
    answer = Reader(await read_frame(reader))
    writer.close()
    assert (answer.number("i"), answer.number("h")) == (1, 0)
    listed = [tuple(answer.number("h") for _ in range(3)) for _ in range(answer.number("i"))]
    return [*listed, (SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 2)]


async def admit(reader, writer, versions):
    """Speaks with a client until it has passed."""
    global cuts
    session = None
    while True:
        request = Reader(await read_frame(reader))
        api, version, correlation = request.number("h"), request.number("h"), request.number("i")
        length = request.number("h")
        request.take(max(length, 0))
        head = struct.pack(">i", correlation)
        if api == API_VERSIONS:
            error = 0 if version <= 2 else UNSUPPORTED_VERSION
            body = struct.pack(">hi", error, len(versions)) + b"".join(struct.pack(">hhh", *it) for it in versions)
            write_frame(writer, head + body + (struct.pack(">i", 0) if 1 <= version <= 2 else b""))
        elif api == SASL_HANDSHAKE and session is None:
            expect(version == 1, "SaslHandshake 1, with SaslAuthenticate behind it")
            mechanism = request.take(request.number("h")).decode()
            expect(not request.data, "a byte too many")
            error = 0 if mechanism in offered else UNSUPPORTED_MECHANISM
            write_frame(writer, head + struct.pack(">hi", error, len(offered)) + b"".join(map(text, offered)))
            if error:
                continue
            if cuts > 0:
                cuts -= 1
                raise Strict("cut, as it was told")
            session = Scram(mechanism) if mechanism in HASHES else Plain()
        elif api == SASL_AUTHENTICATE and session is not None:
            expect(version <= 2, "SaslAuthenticate 0 to 2")
            flexible = version == 2
            if flexible:
                request.tags()
            message = request.take(request.varint() - 1 if flexible else request.number("i"))
            if flexible:
                request.tags()
            expect(not request.data, "a byte too many")
            try:
                (answer, over), error, said = session.step(message), 0, None
            except Refused as refused:
                answer, over, error, said = b"", False, AUTHENTICATION_FAILED, str(refused)
            if flexible:
                body = b"\0" + struct.pack(">h", error)
                body += b"\0" if said is None else varint(len(said) + 1) + said.encode()
                body += varint(len(answer) + 1) + answer + struct.pack(">q", 0) + b"\0"
            else:
                body = struct.pack(">h", error) + (struct.pack(">h", -1) if said is None else text(said))
                body += struct.pack(">i", len(answer)) + answer + (struct.pack(">q", 0) if version else b"")
            write_frame(writer, head + body)
            await writer.drain()
            expect(not error, "a broker closes the connection")
            if over:
                return
        else:
            raise Strict(f"request {api} before authentication")


async def carry(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def serve(reader, writer, broker, versions):
    global passed
    try:
        await admit(reader, writer, versions)
        passed += 1
        inside = await asyncio.open_connection(*broker.rsplit(":", 1))
        open_now.add(writer)
        await asyncio.gather(carry(reader, inside[1]), carry(inside[0], writer))
    except (Strict, OSError, EOFError, ValueError) as error:
        print(f"{broker}: {error!r}", file=sys.stderr)
    finally:
        open_now.discard(writer)
        writer.close()


async def gates(ready, stop):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for broker in brokers:
        versions = await versions_of(broker)
        server = await asyncio.start_server(
            lambda r, w, broker=broker, versions=versions: serve(r, w, broker, versions), "127.0.0.1", 0, ssl=context
        )
        ports.append(server.sockets[0].getsockname()[1])
    ready.set()
    await stop.wait()


def official(topic, partitions, mechanism, name, secret):
    errors = []
    common = {
        "bootstrap.servers": ",".join(f"localhost:{port}" for port in ports),
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": ca,
        "sasl.mechanism": mechanism,
        "sasl.username": name,
        "sasl.password": secret,
        "error_cb": errors.append,
    }
    refused = confluent_kafka.KafkaError._AUTHENTICATION
    producer = confluent_kafka.Producer(common)
    producer.produce(topic, b"official", headers={"kind": "official"})
    while producer.flush(0.2):
        for error in errors:
            if error.code() == refused:
                producer.purge()
                return str(error)
    consumer = confluent_kafka.Consumer(
        {**common, "group.id": "test", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, n, 0) for n in range(int(partitions))])
    numbers, ended = [], 0
    while ended < int(partitions):
        message = consumer.poll(60)
        assert message is not None, errors
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended += 1
            continue
        headers = dict(message.headers() or [])
        if headers.get("kind") != b"official":
            numbers.append(int(headers["seq"]))
    consumer.close()
    return json.dumps(numbers)


ready = threading.Event()
loop = asyncio.new_event_loop()
threading.Thread(target=lambda: loop.run_until_complete(gates(ready, asyncio.Event())), daemon=True).start()
assert ready.wait(60)
print(*ports, flush=True)
for line in sys.stdin:
    word, *rest = line.split()
    answer = "ok"
    if word == "password":
        (password,) = rest
    elif word == "offer":
        offered = rest[0].split(",")
    elif word == "cut":
        cuts = int(rest[0])
    elif word == "lie":
        lie = rest[0] == "yes"
    elif word == "expire":
        for writer in list(open_now):
            loop.call_soon_threadsafe(writer.close)
    elif word == "passed":
        answer = passed
    elif word == "official":
        answer = official(*rest)
    print(answer, flush=True)
