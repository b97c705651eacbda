-- Made by initdb, inside a schema made by initdb. What somebody put into those schemas later is not the server's own.
{}.oid < 16384 and n.oid < 16384 and n.nspname in ('pg_catalog', 'information_schema', 'pg_toast')
