-- One of the guide's four evidence queries, kept for the auditor who looks for it.
/* The guide writes: SHOW ssl_min_protocol_version */
select pg_catalog.current_setting('ssl_min_protocol_version') as ssl_min_protocol_version
