-- One of the guide's four evidence queries, kept for the auditor who looks for it.
/* The guide writes: SHOW ssl */
select pg_catalog.current_setting('ssl') as ssl
