-- The session that looks and what it may read. Any role may ask.
select
    current_user as role,
    session_user as login_role,
    pg_catalog.current_database() as database,
    me.rolsuper as superuser,
    me.rolsuper or pg_catalog.pg_has_role(me.oid, 'pg_read_all_settings'::pg_catalog.regrole::pg_catalog.oid, 'USAGE') as reads_all_settings,
    me.rolsuper or pg_catalog.pg_has_role(me.oid, 'pg_read_all_stats'::pg_catalog.regrole::pg_catalog.oid, 'USAGE') as reads_all_sessions,
    pg_catalog.current_setting('server_encoding') as server_encoding,
    pg_catalog.pg_backend_pid() as pid
from pg_catalog.pg_roles as me
where me.rolname = current_user
