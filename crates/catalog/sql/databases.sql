-- Every database, and whether the role that looks may connect to it. Any role may ask.
select
    d.oid,
    d.datname as name,
    d.datdba as owner,
    d.datallowconn as allows_connections,
    d.datistemplate as is_template,
    pg_catalog.has_database_privilege(d.oid, 'CONNECT') as may_connect,
    d.datconnlimit as connection_limit,
    coalesce(pg_catalog.pg_encoding_to_char(d.encoding)::text, '') as encoding
from pg_catalog.pg_database as d
order by d.oid
