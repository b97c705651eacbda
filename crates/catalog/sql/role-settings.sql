-- ALTER ROLE .. SET and ALTER DATABASE .. SET, of every role and database. Any role may ask. From a database with an
-- encoding, a value that was stored from a database without one, and is not valid here, makes the server refuse the query.
select
    s.database,
    s.role,
    s.name,
    case when secret.withheld then '' else s.value end as value,
    secret.withheld,
    shaped.shape,
    named.key_kind
from (
    select
        stored.setdatabase as database,
        stored.setrole as role,
        item.ordinal,
        pg_catalog.split_part(item.assignment, '=', 1) as name,
        pg_catalog.substr(item.assignment, pg_catalog.strpos(item.assignment, '=') + 1) as value
    from pg_catalog.pg_db_role_setting as stored
    cross join lateral pg_catalog.unnest(stored.setconfig) with ordinality as item (assignment, ordinal)
) as s
cross join lateral (
    --@ include setting-name s.name
) as named
cross join lateral (
    --@ include shape s.value
) as shaped
cross join lateral (
    select (
        --@ include withheld shaped
    ) as withheld
) as secret
order by s.database, s.role, s.ordinal
