-- Extensions that audit or guard and whose files lie on the server, installed in a database or not: a library that is preloaded
-- without lying there keeps the server from starting. Any role may ask.
select
    a.name,
    coalesce(a.default_version, '') as version
from pg_catalog.pg_available_extensions as a
where a.name in ('credcheck', 'pgaudit', 'pgauditlogtofile', 'set_user')
order by a.name collate "C"
