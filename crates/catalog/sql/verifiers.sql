-- How each role's password is stored; never the password. For superusers, and roles that were granted SELECT on pg_authid.
select
    a.oid as role,
    case
        when a.rolpassword is null then 'none'
        when a.rolpassword ~ '^md5[0-9a-f]{32}$' then 'md5'
        when a.rolpassword ~ '^SCRAM-SHA-256[$][0-9]{1,9}:' then 'scram-sha-256'
        else 'other'
    end as kind,
    coalesce(pg_catalog.substring(a.rolpassword, '^SCRAM-SHA-256[$]([0-9]{1,9}):')::pg_catalog.int4, 0) as iterations
from pg_catalog.pg_authid as a
order by a.oid
