-- Whether a view asks the session who is looking. Any role may ask. Read from the parsed view, so that literals do not count;
-- the view's text stays in the server.
select
    r.ev_class as view,
    pg_catalog.strpos(r.ev_action::text, ':funcid ' || 'pg_catalog.current_setting(text)'::pg_catalog.regprocedure::pg_catalog.oid || ' ') > 0
        or pg_catalog.strpos(r.ev_action::text, ':funcid ' || 'pg_catalog.current_setting(text, boolean)'::pg_catalog.regprocedure::pg_catalog.oid || ' ') > 0
        as asks_setting,
    pg_catalog.strpos(r.ev_action::text, '{SQLVALUEFUNCTION :op 10 ') > 0
        or pg_catalog.strpos(r.ev_action::text, '{SQLVALUEFUNCTION :op 11 ') > 0
        or pg_catalog.strpos(r.ev_action::text, '{SQLVALUEFUNCTION :op 12 ') > 0
        or pg_catalog.strpos(r.ev_action::text, '{SQLVALUEFUNCTION :op 13 ') > 0
        as asks_user,
    exists (
        select
        from pg_catalog.pg_depend as d
        join pg_catalog.pg_proc as p on p.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            and d.objid = r.oid
            and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            and p.pronargs = 0
            and p.prokind = 'f'
            and not p.proretset
            and p.oid >= 16384
    ) as calls_function
from pg_catalog.pg_rewrite as r
join pg_catalog.pg_class as v on v.oid = r.ev_class
where r.ev_type = '1'
    and r.rulename = '_RETURN'
    and v.relkind = 'v'
    and v.oid >= 16384
    and v.relpersistence <> 't'
order by r.ev_class
