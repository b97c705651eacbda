"""Answers the archive's built-in questions with somebody else's engine, from the same Parquet or from the log itself.

    answers.py duckdb  PARQUET-GLOB   < questions.json > answers.json
    answers.py csvlog  FILE           < questions.json > answers.json
    answers.py spark   DIR            < questions.json > answers.json

questions.json: [{"question": "ddl", "from": ms or null, "to": .., "users": [..], "database": .., "table": [schema or null, name] or null,
"tables": [[schema, name], ..], "roles": [..], "session": ".."}, ..]. An answer is a list of rows, each a list of texts and nulls,
ordered by record number. The SQL is the one of docs/trail/archive.md; the log is read by Python's csv module.
"""

import csv
import io
import json
import re
import sys

csv.field_size_limit(2**30)

FAILED = "(audit_type IS NULL AND sqlstate IS NOT NULL AND left(sqlstate, 2) NOT IN ('00', '01', '02', '03'))"
HOW = """CASE WHEN audit_type IS NOT NULL AND object_name IS NOT NULL THEN 'audited'
  WHEN audit_type IS NOT NULL THEN 'audited, object not named'
  WHEN auth_event IS NOT NULL THEN auth_event WHEN torn THEN 'torn'
  WHEN sqlstate IS NOT NULL AND left(sqlstate, 2) NOT IN ('00', '01', '02', '03') THEN 'failed' ELSE 'logged' END"""
COMMAND = "coalesce(command, command_tag)"
STATEMENT = "coalesce(audit_statement, statement)"
ROLE_TAGS = ("GRANT", "REVOKE", "GRANT ROLE", "REVOKE ROLE", "CREATE ROLE", "ALTER ROLE", "DROP ROLE",
             "ALTER DEFAULT PRIVILEGES", "REASSIGN OWNED", "DROP OWNED")
VERBS = ("CREATE", "ALTER", "DROP", "COMMENT", "SECURITY", "IMPORT", "REFRESH", "REINDEX")
RECORD = ["record_number", "log_ms", "user_name", "database_name", "client_addr", "session_id"]


class DuckDb:
    def __init__(self):
        import duckdb
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'")

    def matches(self, column, pattern):
        return f"regexp_matches({column}, {text('(?i)' + pattern)})"

    def milliseconds(self):
        return "epoch_ms(log_time)"

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def parquet(self, glob):
        self.connection.execute(
            f"CREATE VIEW records AS SELECT *, {self.milliseconds()} AS log_ms, dt AS day FROM read_parquet({text(glob)},"
            " hive_partitioning = true, hive_types = {'dt': VARCHAR})")


class Spark:
    def __init__(self):
        from pyspark.sql import SparkSession
        # A master and two workers, each a process of its own.
        self.session = (SparkSession.builder.master("local-cluster[2,1,1024]").appName("pgattest")
                        .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
                        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false").getOrCreate())
        self.session.sparkContext.setLogLevel("ERROR")

    def matches(self, column, pattern):
        return f"{column} rlike {raw('(?i)' + pattern)}"

    def rows(self, sql):
        return [tuple(row) for row in self.session.sql(sql).collect()]

    def parquet(self, folder):
        self.session.read.parquet(folder).createOrReplaceTempView("files")
        self.session.sql("CREATE OR REPLACE TEMPORARY VIEW records AS "
                         "SELECT *, unix_millis(log_time) AS log_ms, dt AS day FROM files")


def text(value):
    return "'" + value.replace("'", "''") + "'"


def raw(value):
    assert '"' not in value
    return 'r"' + value + '"'


def one_of(column, values):
    return f"{column} IN ({', '.join(text(value) for value in values)})"


def object_is(table):
    schema, name = table
    full = (ident(schema) + "." if schema else "") + ident(name)
    end = " on " + full if schema else "." + full
    return f"(object_name = {text(full)} OR right(object_name, {len(end)}) = {text(end)})"


def ident(name):
    return name if re.fullmatch("[a-z_][a-z0-9_$]*", name) else '"' + name.replace('"', '""') + '"'


def named(engine, column, table):
    word = r"[^a-z0-9_$\x{80}-\x{10FFFF}]"
    return engine.matches(column, f"(^|{word}){re.escape(table[1].lower())}($|{word})")


def touches(engine, table):
    return (f"({object_is(table)} OR (audit_type IS NOT NULL AND object_name IS NULL AND {named(engine, 'audit_statement', table)})"
            f" OR ({FAILED} AND {named(engine, 'statement', table)}))")


def reads(engine, table):
    return (f"((class = 'READ' AND ({object_is(table)} OR (object_name IS NULL AND {named(engine, 'audit_statement', table)})))"
            f" OR ({FAILED} AND {named(engine, 'statement', table)}))")


def sql(engine, asked):
    where = []
    if asked.get("from") is not None or asked.get("to") is not None:
        low, high = asked.get("from") or -(2**62), asked.get("to") or 2**62
        where.append(f"(log_ms BETWEEN {low} AND {high} OR log_time IS NULL)")
    if asked.get("users"):
        where.append(one_of("user_name", asked["users"]))
    if asked.get("database"):
        where.append(f"database_name = {text(asked['database'])}")
    if asked.get("table"):
        where.append(touches(engine, asked["table"]))
    question = asked["question"]
    columns = None
    if question == "touched":
        where.append(touches(engine, asked["tables"][0]))
        columns = RECORD + [HOW, "class", COMMAND, "object_name", "sqlstate", STATEMENT]
    elif question == "ddl":
        verbs = " OR ".join(f"command_tag = {text(verb)} OR left(command_tag, {len(verb) + 1}) = {text(verb + ' ')}"
                            for verb in VERBS)
        where.append(f"(class = 'DDL' OR ({FAILED} AND ({verbs}) AND NOT {one_of('command_tag', ROLE_TAGS)}))")
        columns = RECORD + [HOW, COMMAND, "object_type", "object_name", "sqlstate", STATEMENT]
    elif question == "roles":
        where.append(f"(class = 'ROLE' OR ({FAILED} AND {one_of('command_tag', ROLE_TAGS)}))")
        columns = RECORD + [HOW, COMMAND, "object_type", "object_name", "sqlstate", STATEMENT]
    elif question == "failed-logins":
        where.append("auth_event = 'refused'")
        columns = RECORD + ["client_port", "sqlstate", "auth_role_exists", "message", "detail"]
    elif question == "superusers":
        where.append(one_of("user_name", asked["roles"]))
        where.append(f"(audit_type IS NOT NULL OR auth_event IS NOT NULL OR {FAILED})")
        columns = RECORD + [HOW, "class", COMMAND, "object_name", "sqlstate", STATEMENT]
    elif question == "classified":
        where.append("(" + " OR ".join(reads(engine, table) for table in asked["tables"]) + ")")
        columns = RECORD + [HOW, COMMAND, "object_name", "sqlstate", STATEMENT]
    elif question == "session":
        where.append(f"session_id = {text(asked['session'])}")
        columns = RECORD + ["session_line_num", HOW, "class", COMMAND, "object_name", "sqlstate", "message", "detail",
                            STATEMENT, "parameters"]
    condition = " AND ".join(where) or "true"
    if question == "counts":
        word = f"""coalesce(class, CASE WHEN auth_event = 'refused' THEN '(refused)' WHEN auth_event IS NOT NULL THEN '(connection)'
          WHEN torn THEN '(torn)' WHEN sqlstate IS NOT NULL AND left(sqlstate, 2) NOT IN ('00', '01', '02', '03') THEN '(failed)'
          ELSE '(other)' END)"""
        return (f"SELECT day, user_name, word, count(*) AS n, min(record_number) AS first, max(record_number) AS last FROM "
                f"(SELECT *, {word} AS word FROM records WHERE {condition}) AS counted GROUP BY day, user_name, word "
                "ORDER BY first")
    return f"SELECT {', '.join(columns)} FROM records WHERE {condition} ORDER BY record_number"


def said(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


ABSENT = {"<none>", "<not logged>", "<previously logged>", "<long param suppressed>"}
NAMES = ["record_number", "log_ms", "day", "user_name", "database_name", "client_addr", "client_port", "session_id", "session_line_num",
         "command_tag", "sqlstate", "message", "detail", "statement", "audit_type", "class", "command", "object_type",
         "object_name", "audit_statement", "parameters", "auth_event", "auth_role_exists", "torn"]


def csvlog_rows(path):
    """The records of a csvlog of PostgreSQL 14 to 18, in which nothing is torn, with the quotes of empty texts looked at."""
    import datetime
    with open(path, "rb") as file:
        whole = file.read().decode("utf-8", "replace")
    for number, fields in enumerate(quoted_rows(whole)):
        assert len(fields) == 26, (number, fields)
        time = datetime.datetime.strptime(fields[0], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=datetime.timezone.utc)
        client, port = fields[4], None
        if client and client != "[local]" and ":" in client:
            client, port = client.rsplit(":", 1)
        row = dict(record_number=number, log_ms=round(time.timestamp() * 1000), day=str(time.date()), user_name=fields[1],
                   database_name=fields[2], client_addr=client, client_port=port, session_id=fields[5],
                   session_line_num=fields[6], command_tag=fields[7], sqlstate=fields[12], message=fields[13],
                   detail=fields[14], statement=fields[19], torn=False)
        row.update(audit(fields[13]) or {})
        if row.get("audit_type"):
            row["message"] = None
        else:
            row.update(event(row))
        yield [row.get(name) for name in NAMES]


def quoted_rows(whole):
    """Rows of CSV; unlike Python's csv module it tells an empty text from nothing."""
    cell = re.compile(r'(?:"((?:[^"]|"")*)"|([^,\n]*))(,|\n|$)')
    at, fields = 0, []
    while at < len(whole):
        found = cell.match(whole, at)
        assert found, whole[at:at + 80]
        text, bare, end = found.groups()
        fields.append(text.replace('""', '"') if text is not None else (bare or None))
        at = found.end()
        if end != ",":
            yield fields
            fields = []


def audit(message):
    if not message or not message.startswith("AUDIT: "):
        return None
    fields = next(csv.reader(io.StringIO(message[len("AUDIT: "):], newline="")))
    kind, _, _, group, command, object_type, object_name, statement, parameters = fields[:9]
    return dict(audit_type=kind, **{"class": group}, command=command, object_type=object_type or None,
                object_name=object_name or None, audit_statement=None if statement in ABSENT else statement,
                parameters=None if parameters in ABSENT else parameters)


def event(row):
    message = row["message"] or ""
    for word, name in [("connection received: ", "received"), ("connection authenticated: ", "authenticated"),
                       ("connection authorized: ", "authorized"), ("replication connection authorized: ", "authorized"),
                       ("disconnection: ", "disconnected")]:
        if message.startswith(word) and row["sqlstate"] == "00000":
            return {"auth_event": name}
    state = row["sqlstate"] or ""
    tag = row["command_tag"]
    if state[:2] not in ("00", "01", "02") and (tag in ("authentication", "startup", "initializing") or tag == "" and row["client_addr"]):
        detail = row["detail"] or ""
        if re.search('role "' + re.escape(row["user_name"] or "") + '" does not exist', message + "\n" + detail, re.I):
            exists = "false"
        elif state in ("3D000", "42501") or state == "28P01" and detail.startswith("Connection matched "):
            exists = "true"
        else:
            exists = None
        return {"auth_event": "refused", "auth_role_exists": exists}
    return {}


def main():
    kind, path = sys.argv[1:3]
    if kind == "spark":
        engine = Spark()
        engine.parquet(path)
    else:
        engine = DuckDb()
        if kind == "duckdb":
            engine.parquet(path)
        else:
            load_csvlog(engine, path)
    answers = []
    for asked in json.load(sys.stdin):
        answers.append([[said(value) for value in row] for row in engine.rows(sql(engine, asked))])
    json.dump(answers, sys.stdout)


def load_csvlog(engine, path):
    """Through a file, because that is faster than a statement a row. A NULL is a text that no log holds."""
    import os
    import tempfile
    null = "\x02NULL\x02"
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.csv")
        with open(file, "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, quoting=csv.QUOTE_ALL)
            for row in csvlog_rows(path):
                writer.writerow([null if value is None else value for value in row])
        kinds = {"record_number": "BIGINT", "log_ms": "BIGINT", "torn": "BOOLEAN"}
        names = ", ".join(f"{text(name)}: {text(kinds.get(name, 'VARCHAR'))}" for name in NAMES)
        engine.connection.execute(
            f"CREATE TABLE records AS SELECT *, log_ms AS log_time FROM read_csv({text(file)}, header = false, nullstr = {text(null)},"
            f" quote = '\"', escape = '\"', delim = ',', max_line_size = 20000000, allow_quoted_nulls = true, columns = {{{names}}})")


if __name__ == "__main__":
    main()
