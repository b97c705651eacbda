"""Asks the independent verifier about one package and many kept checkpoints.

    anchors.py VERIFIER_DIR PACKAGE JOBS KEY

JOBS is a JSON list of [checkpoint, consistency proof]; prints a list of whether
each was accepted.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True

import pgattest_verify as verifier  # noqa: E402

with open(sys.argv[2], "rb") as file:
    package = file.read()
with open(sys.argv[3], "rb") as file:
    jobs = json.load(file)
with open(sys.argv[4]) as file:
    key = verifier.read_keys(file.read())
answers = []
for checkpoint, proof in jobs:
    report = verifier.check(package, key, None, checkpoint.encode(), proof.encode())
    answers.append(report.verdict() == verifier.VERIFIED)
print(json.dumps(answers))
