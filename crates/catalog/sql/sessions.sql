-- Live sessions and how they are encrypted; no statement texts. Any role may ask, but the details of other roles' sessions
-- are for superusers and members of pg_read_all_stats: `visible` says whether this row's are shown.
select
    a.pid,
    coalesce(a.datid, 0::pg_catalog.oid) as database,
    coalesce(a.usesysid, 0::pg_catalog.oid) as role,
    -- Whatever a client calls itself; some put their whole connection string there.
    case when named.blatant then '(withheld: it carries a password)' else coalesce(a.application_name, '') end as application_name,
    coalesce(a.backend_type, '') as backend_type,
    coalesce(pg_catalog.host(a.client_addr), '') as client_address,
    coalesce(a.client_port = -1, false) as unix_socket,
    a.backend_type is not null
        and (
            me.reads_all
            or coalesce(a.usesysid in (select own.oid from pg_catalog.pg_roles as own where pg_catalog.pg_has_role(own.oid, 'USAGE')), false)
        ) as visible,
    coalesce(tls.ssl, false) as tls,
    coalesce(tls.version, '') as tls_version,
    coalesce(tls.cipher, '') as tls_cipher,
    coalesce(gss.encrypted, false) as gss_encrypted,
    a.pid = pg_catalog.pg_backend_pid() as own
from pg_catalog.pg_stat_activity as a
cross join (
    select r.rolsuper or pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') as reads_all
    from pg_catalog.pg_roles as r
    where r.rolname = current_user
) as me
cross join lateral (
    --@ include shape coalesce(a.application_name, '')
) as named
left join pg_catalog.pg_stat_ssl as tls on tls.pid = a.pid
left join pg_catalog.pg_stat_gssapi as gss on gss.pid = a.pid
order by a.pid
