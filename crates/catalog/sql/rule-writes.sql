-- Tables that rewrite rules insert into or update, other than the rule's own table. Any role may ask. The rule's text is
-- compared inside the server and stays there.
select distinct
    r.oid as rule,
    c.oid as writes
from pg_catalog.pg_rewrite as r
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
join pg_catalog.pg_class as c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'f', 'v')
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select
        pg_catalog.pg_get_ruledef(r.oid) as text,
        pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' ' as name
    offset 0
) as rule
where r.oid >= 16384
    and not (r.rulename = '_RETURN' and r.ev_type = '1')
    and c.oid <> r.ev_class
    and (
        pg_catalog.strpos(rule.text, 'INSERT INTO ' || rule.name) > 0
        or pg_catalog.strpos(rule.text, 'UPDATE ' || rule.name) > 0
    )
order by r.oid, c.oid
