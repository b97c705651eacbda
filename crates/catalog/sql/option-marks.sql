-- What the options of foreign-data wrappers, foreign servers, foreign tables and user mappings give away, as marks: the
-- values stay in the server. Any role may ask, but the options of some user mappings are hidden from it: where `visible` is
-- false, no marks say nothing.
select
    s.class,
    s.object,
    s.server,
    s.visible,
    coalesce(
        (
            select pg_catalog.json_agg(distinct judged.mark order by judged.mark)::text
            from pg_catalog.pg_options_to_table(s.options) as option
            cross join lateral (
                --@ include shape option.option_value
            ) as shaped
            cross join lateral (
                values
                    (
                        'password',
                        option.option_value <> ''
                        and option.option_name ~* '(passw|passphrase|pwd|secret|token|api_?key|access_?key|private_?key)'
                        and option.option_name !~* '(required|file|path|command|_id)$'
                    ),
                    ('connection-with-password', shaped.blatant),
                    (
                        'password-not-required',
                        pg_catalog.lower(option.option_name) = 'password_required'
                        and pg_catalog.lower(option.option_value) in ('false', 'fals', 'fal', 'fa', 'f', 'off', 'of', 'no', 'n', '0')
                    ),
                    (
                        'file',
                        pg_catalog.lower(option.option_name) in ('filename', 'filenames', 'files', 'dirname', 'directory')
                        and option.option_value <> ''
                    ),
                    ('program', pg_catalog.lower(option.option_name) = 'program' and option.option_value <> '')
            ) as judged (mark, holds)
            where judged.holds
        ),
        '[]'
    ) as marks
from (
    select 'foreign-data-wrapper' as class, w.oid as object, 0::pg_catalog.oid as server, true as visible, w.fdwoptions as options
    from pg_catalog.pg_foreign_data_wrapper as w
    union all
    select 'foreign-server', f.oid, f.oid, true, f.srvoptions from pg_catalog.pg_foreign_server as f
    union all
    select 'foreign-table', t.ftrelid, t.ftserver, true, t.ftoptions from pg_catalog.pg_foreign_table as t
    union all
    select
        'user-mapping',
        m.umid,
        m.srvid,
        -- The rule of the view, as in `user-mappings`.
        me.rolsuper
            or (m.umuser = me.oid and (pg_catalog.pg_has_role(f.srvowner, 'USAGE') or pg_catalog.has_server_privilege(f.oid, 'USAGE')))
            or (m.umuser = 0 and pg_catalog.pg_has_role(f.srvowner, 'USAGE')),
        m.umoptions
    from pg_catalog.pg_user_mappings as m
    join pg_catalog.pg_foreign_server as f on f.oid = m.srvid
    join pg_catalog.pg_roles as me on me.rolname = current_user
) as s
order by s.class, s.object
