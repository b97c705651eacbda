"""Drives the independent verifier over many damaged packages in one process.

    flip.py VERIFIER_DIR PACKAGE KEY        changes every byte, prints what passes
    flip.py VERIFIER_DIR --each DIR KEY     prints what it says of each file in DIR
"""

import json
import os
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True

import pgattest_verify as verifier  # noqa: E402


def main():
    with open(sys.argv[-1]) as file:
        key = verifier.read_keys(file.read())
    if sys.argv[2] == "--each":
        found = {}
        for name in sorted(os.listdir(sys.argv[3])):
            with open(os.path.join(sys.argv[3], name), "rb") as file:
                found[name] = summary(verifier.check(file.read(), key))
        print(json.dumps(found))
    else:
        with open(sys.argv[2], "rb") as file:
            package = file.read()
        print(json.dumps(flip(package, key)))


def summary(report):
    steps = {}
    for step, end in report.steps.items():
        steps[step] = "ok" if end == "ok" else "failed" if isinstance(end, list) else "unknown"
    return {"verdict": report.verdict(), "steps": steps}


def flip(package, key):
    """Changes each byte of the zip file, and each byte of each file in a zip file
    that is right otherwise."""
    accepted, unnamed, tried = [], [], 0
    assert verifier.check(package, key).verdict() == verifier.VERIFIED
    for place in range(len(package)):
        tried += 1
        if verifier.check(changed(package, place), key).verdict() != verifier.FAILED:
            accepted.append(f"byte {place}")
    files, _ = verifier.read_container(package)
    for name, data in files.items():
        for place in range(len(data)):
            tried += 1
            report = verifier.check(pack({**files, name: changed(data, place)}), key)
            if report.verdict() != verifier.FAILED:
                accepted.append(f"{name} byte {place}")
            elif not any(name in str(problem) for problem in report.problems()):
                unnamed.append(f"{name} byte {place}")
    return {"tried": tried, "accepted": accepted, "unnamed": unnamed}


def changed(data, place):
    return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


def pack(files):
    package, records = b"", []
    for name, data in sorted(files.items()):
        record = (name.encode(), verifier.zlib.crc32(data), len(data))
        records.append((*record, len(package)))
        package += verifier.local_header(*record) + data
    return package + verifier.directory(records, len(package))


main()
