-- Foreign servers with the keys of their options; the values stay in the server. Any role may ask.
select
    s.oid,
    s.srvname as name,
    s.srvowner as owner,
    s.srvfdw as wrapper,
    coalesce(
        (
            select pg_catalog.json_agg(option.option_name order by option.option_name)::text
            from pg_catalog.pg_options_to_table(s.srvoptions) as option
        ),
        '[]'
    ) as option_keys
from pg_catalog.pg_foreign_server as s
order by s.oid
