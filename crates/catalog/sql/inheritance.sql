-- Partitions and inheritance children. Any role may ask.
select
    i.inhrelid as child,
    i.inhparent as parent
from pg_catalog.pg_inherits as i
join pg_catalog.pg_class as c on c.oid = i.inhrelid
where c.relkind in ('r', 'p', 'f')
order by i.inhrelid, i.inhseqno
