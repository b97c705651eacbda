-- Every role and its attributes. Any role may ask.
select
    r.oid,
    r.rolname as name,
    r.rolsuper as superuser,
    r.rolinherit as inherit,
    r.rolcreaterole as create_role,
    r.rolcreatedb as create_db,
    r.rolcanlogin as can_login,
    r.rolreplication as replication,
    r.rolbypassrls as bypass_rls,
    r.rolconnlimit as connection_limit,
    coalesce(r.rolvaliduntil::text, '') as valid_until,
    coalesce(r.rolvaliduntil < pg_catalog.clock_timestamp(), false) as expired
from pg_catalog.pg_roles as r
order by r.oid
