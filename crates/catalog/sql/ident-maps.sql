-- pg_ident.conf as the server parses the file now. 15 and later; for superusers, and roles that were granted the view and
-- the function behind it.
select
    coalesce(i.line_number, 0) as line,
    coalesce(i.map_name, '') as map,
    coalesce(i.sys_name, '') as system_user,
    coalesce(i.pg_username, '') as role,
    --@ include error-text i.error
    as error,
    coalesce(pg_catalog.left(i.sys_name, 1) = '/', false) as is_regex
from pg_catalog.pg_ident_file_mappings as i
order by i.line_number --@ <16
order by i.map_number nulls last, i.file_name, i.line_number --@ >=16
