-- How many rows of each table were inserted, updated and deleted since the counters began, in transactions that were rolled
-- back too. Any role may ask. What it is good for: the same counters of another day, against the rows that were audited between.
select
    c.oid,
    -- Quoted by the server, as pgaudit writes the name.
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    coalesce(pg_catalog.pg_stat_get_tuples_inserted(c.oid), 0)
        + coalesce(pg_catalog.pg_stat_get_tuples_updated(c.oid), 0)
        + coalesce(pg_catalog.pg_stat_get_tuples_deleted(c.oid), 0) as changed,
    coalesce(
        extract(epoch from pg_catalog.pg_stat_get_db_stat_reset_time(d.oid))::pg_catalog.text,
        'never'
    ) as reset,
    pg_catalog.current_setting('track_counts') = 'on' as counting
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_database as d on d.datname = pg_catalog.current_database()
-- A partitioned table has no rows of its own: it is here for its name.
where c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not (
        --@ include system-object c
    )
order by c.oid
