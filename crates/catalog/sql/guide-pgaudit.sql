-- One of the guide's four evidence queries, kept for the auditor who looks for it.
/* The guide writes: SELECT extname FROM pg_extension WHERE extname = 'pgaudit' */
select e.extname from pg_catalog.pg_extension as e where e.extname = 'pgaudit'
