-- User mappings with the keys of their options; the values stay in the server. Any role may ask, but pg_user_mappings hides
-- the options of mappings that are not the role's own: `options_visible` repeats the view's rule, because no options and
-- hidden options look the same.
select
    m.umid as oid,
    m.umuser as role,
    m.srvid as server,
    me.rolsuper
        or (m.umuser = me.oid and (pg_catalog.pg_has_role(s.srvowner, 'USAGE') or pg_catalog.has_server_privilege(s.oid, 'USAGE')))
        or (m.umuser = 0 and pg_catalog.pg_has_role(s.srvowner, 'USAGE')) as options_visible,
    coalesce(
        (
            select pg_catalog.json_agg(option.option_name order by option.option_name)::text
            from pg_catalog.pg_options_to_table(m.umoptions) as option
        ),
        '[]'
    ) as option_keys
from pg_catalog.pg_user_mappings as m
join pg_catalog.pg_foreign_server as s on s.oid = m.srvid
join pg_catalog.pg_roles as me on me.rolname = current_user
order by m.umid
