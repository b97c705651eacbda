"""What a load lost in csvlog files, told without a look at any line number: missing.py STATEMENTS cut-off|ended LOG..

Each session of the load ran `select 'n1 x.. end'` to `select 'nSTATEMENTS x.. end'` after the three records of its connection, and
logs one record for each and one for its end. A record counts as there when all its bytes stand in a file one behind the other. Prints
a JSON object: for each session the numbers that are missing before its last record, and that last one, or null when its end is recorded. `cut-off`: the server ended the sessions before they had run
everything; how many records it wrote of that is then known from the records alone.
"""
import json
import re
import sys

statements, cut_off, logs = int(sys.argv[1]), sys.argv[2] == "cut-off", sys.argv[3:]
record = re.compile(
    rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC,(?:"postgres")?,(?:"postgres")?,\d+,"(?:\[local\])?",([0-9a-f]+\.[0-9a-f]+),(\d+),"[^"\n]*",'
    rb'[^,\n]* UTC,[^,\n]*,\d+,LOG,00000,"(?:'
    rb"(connection received:)[^\"\n]*|(connection authenticated:)(?:[^\"\n]|\"\")*|(connection authorized:)[^\"\n]*"
    rb"|statement: select 'n(\d+) (x*) end';?|(disconnection:)[^\"\n]*"
    rb')",,,,,,,,,"[^"\n]*","(?:client backend|not initialized)",,-?\d+\n'
)
own = re.compile(
    rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC,"postgres","postgres",\d+,"\[local\]",([0-9a-f]+\.[0-9a-f]+),(\d+),"[^"\n]*",'
    rb'[^,\n]* UTC,[^,\n]*,\d+,FATAL,57P01,"terminating connection due to unexpected postmaster exit",,,,,,[^\n]*,"client backend",,-?\d+\n'
)
sessions, glued = {}, 0
for path in logs:
    text = open(path, "rb").read()
    for found in record.finditer(text):
        session, line, received, authenticated, authorized, number, filler, ended = found.groups()
        number = number and int(number)
        means = 1 if received else 2 if authenticated else 3 if authorized else 3 + number if number else statements + 4
        there = sessions.setdefault(session.decode(), {"lines": set(), "works": False, "ended": False})
        if ended:
            there["ended"] = True
            means = int(line) if cut_off else means
        there["works"] |= number is not None
        there["lines"].add(means)
        # The beginning of one record and the end of another one, both cut within the statement: a record by its form.
        glued += number is not None and len(filler) != 4000
        if number and int(line) != means:
            sys.exit(f"session {session}: statement {number} has line {line}: the load is not what this expects")
    for found in own.finditer(text):
        sessions[found.group(1).decode()]["lines"].add(int(found.group(2)))
told = {}
for session, there in sessions.items():
    if there["works"]:
        last = max(there["lines"])
        told[session] = {
            "missing": sorted(set(range(1, last)) - there["lines"]),
            "last": None if there["ended"] else last,
        }
print(f"{glued} records are made of halves of two", file=sys.stderr)
print(json.dumps(told))
