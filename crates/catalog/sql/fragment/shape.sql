-- What a value looks like, without saying the value. `blatant` is a value that gives itself away whatever its name is.
-- The hexadecimal and base64 patterns begin at 16 random bytes; file names (a leading slash) and plain words do not match.
-- OFFSET 0 keeps the planner from copying these expressions to every place that uses them: `settings` is four times faster for it.
select
    case
        when it.is_empty then 'empty'
        when pg_catalog.lower(it.text) in ('on', 'off', 'true', 'false', 'yes', 'no') then 'boolean'
        when it.carries_password then 'connection-with-password'
        when it.text ~* '^[{]?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[}]?$' then 'uuid'
        when it.is_pem
            or it.text ~* '^(0x|.x)?[0-9a-f]{32,}$'
            or it.text ~ '^ey[A-Za-z0-9_-]{8,}[.]ey[A-Za-z0-9_-]{8,}[.]'
            or (
                it.text ~ '^[A-Za-z0-9+_-][A-Za-z0-9+/_-]{20,}={0,2}$'
                and it.text ~ '[0-9]'
                and it.text ~ '[a-z]'
                and it.text ~ '[A-Z]'
            ) then 'key-material'
        when it.text ~ '^[+-]?[0-9]+([.][0-9]+)?[[:space:]]?(us|ms|s|min|h|d|B|kB|MB|GB|TB)?$' then 'number'
        when it.text ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,31}$' then 'word'
        else 'text'
    end as shape,
    it.carries_password or it.is_pem as blatant
from (
    select
        {} as text,
        {} = '' as is_empty,
        {} ~* '^[a-z][a-z0-9+.-]*://[^[:space:]/@]*:[^[:space:]@]+@'
            or {} ~* '(^|[^a-z])(password|passwd|pwd)["'']?[[:space:]]*[=:][[:space:]]*(?!(null|true|false)($|[^a-z]))["'']?[^[:space:]"'',:-<}]'
            or {} ~* '(^|["''?&,{[:space:]])(secret|token|(api|access|private|secret)_?key|client_?secret)("[[:space:]]*:|[[:space:]]*=)[[:space:]]*["'']?[^[:space:]"'',:-<}]{6}'
            or {} ~* '(^|[^a-z])bearer [a-z0-9+/=._~-]{6}' as carries_password,
        pg_catalog.strpos({}, '-----BEGIN ') > 0 as is_pem
    offset 0
) as it
offset 0
