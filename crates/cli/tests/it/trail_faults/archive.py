"""Compares an archive with the log files that it was made from: archive.py ARCHIVE PIECES LOG..

DuckDB's own readers of CSV and Parquet do the work; nothing of pgattest's is used. Of each session the number of records, the sum of
their line numbers and a sum over a hash of all their columns that both sides have has to be equal.
"""
import os
import sys

import duckdb

archive, pieces, logs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
names = """log_time user_name database_name process_id connection_from session_id session_line_num command_tag session_start_time
virtual_transaction_id transaction_id error_severity sql_state_code message detail hint internal_query internal_query_pos context query
query_pos location application_name backend_type leader_pid query_id""".split()

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'; SET threads = 2; SET memory_limit = '4GB'; SET preserve_insertion_order = false")
db.execute("SET enable_progress_bar = false")
db.execute("SET temp_directory = ''")
files = sorted(
    os.path.join(folder, name) for folder, _, found in os.walk(archive) for name in found if name.endswith(".parquet")
)
rows, distinct, first, last, torn = db.execute(
    "SELECT count(*), count(DISTINCT record_number), min(record_number), max(record_number), count_if(torn) FROM read_parquet($1)",
    [files],
).fetchone()
assert (rows, distinct, first, last) == (pieces, pieces, 0, pieces - 1), (rows, distinct, first, last, pieces)

# The archive takes pgaudit's message apart; DuckDB's CSV has it in one.
shared = """log_time user_name database_name process_id session_id session_line_num command_tag session_start_time virtual_transaction_id
transaction_id error_severity sql_state_code detail hint internal_query context query application_name backend_type leader_pid
query_id""".split()
archived = """log_time_text user_name database_name pid session_id session_line_num command_tag session_start vxid xid severity sqlstate
detail hint internal_query context statement application_name backend_type leader_pid query_id""".split()


def sums(columns, source, condition):
    text = ", ".join(f"coalesce({column}::VARCHAR, '')" for column in columns)
    of = columns[4], columns[5]
    return f"""
        SELECT {of[0]} AS session, count(*), sum({of[1]}::BIGINT)::BIGINT,
            sum((hash({text}) % 4294967296)::BIGINT)::BIGINT
        FROM {source} WHERE {condition} GROUP BY session"""


columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
log = f"""read_csv($1, columns = {columns}, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"',
    max_line_size = 67108864, parallel = false, encoding = 'utf-8')"""
logged = dict((row[0], row[1:]) for row in db.execute(sums(shared, log, "true"), [logs]).fetchall())
kept = dict(
    (row[0], row[1:])
    for row in db.execute(sums(archived, "read_parquet($1)", "NOT torn AND source_file LIKE '%.csv'"), [files]).fetchall()
)
for session in sorted(set(logged) | set(kept)):
    assert logged.get(session) == kept.get(session), (session, logged.get(session), kept.get(session))
print(
    f"archive: {rows} rows in {len(files)} files, {torn} torn; {len(kept)} sessions with"
    f" {sum(row[0] for row in kept.values())} records are equal in DuckDB's eyes"
)
