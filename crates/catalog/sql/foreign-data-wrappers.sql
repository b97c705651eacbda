-- Foreign-data wrappers with the keys of their options; the values stay in the server. Any role may ask.
select
    w.oid,
    w.fdwname as name,
    w.fdwowner as owner,
    coalesce(
        (
            select pg_catalog.json_agg(option.option_name order by option.option_name)::text
            from pg_catalog.pg_options_to_table(w.fdwoptions) as option
        ),
        '[]'
    ) as option_keys
from pg_catalog.pg_foreign_data_wrapper as w
order by w.oid
