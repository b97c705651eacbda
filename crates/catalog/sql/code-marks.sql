-- Code inside the database with what its text gives away, as marks: the text itself stays in the server. Any role may ask.
-- Functions, views, defaults and generated columns, policies, check constraints, triggers, rules and indexes over
-- expressions, without the server's own and without those of extensions. Comments are left out of the text; `skeleton` is
-- the text with every quoted constant reduced to '?', so that what is code and what is a constant cannot be mistaken.
-- A lone apostrophe inside a dollar-quoted constant makes the rest of that text be read wrongly.
with member as (
    select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e' and d.objsubid = 0
), relation as (
    select c.oid, n.nspname as schema_name, c.relname as name, c.relkind as kind, c.relowner as owner
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
        and n.nspname !~ '^pg_(toast_)?temp_'
        and not (
            --@ include system-object c
        )
        and not exists (
            select from member as m where m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and m.objid = c.oid
        )
), code as (
    select
        'function' as class,
        p.oid as object,
        n.nspname as schema_name,
        '' as relation_name,
        p.proname as name,
        coalesce(pg_catalog.pg_get_function_identity_arguments(p.oid), '') as arguments,
        p.proowner as owner,
        pg_catalog.concat_ws(
            pg_catalog.chr(10),
            case when l.lanname not in ('c', 'internal') then p.prosrc end,
            pg_catalog.pg_get_function_sqlbody(p.oid), --@ >=14
            pg_catalog.pg_get_function_arguments(p.oid)
        ) as text,
        p.proconfig as settings
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    join pg_catalog.pg_language as l on l.oid = p.prolang
    where n.nspname !~ '^pg_(toast_)?temp_'
        and not (
            --@ include system-object p
        )
        and not exists (
            select from member as m where m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and m.objid = p.oid
        )
    union all
    select 'view', r.oid, r.schema_name, r.name, '', '', r.owner, pg_catalog.pg_get_viewdef(r.oid), null
    from relation as r
    where r.kind in ('v', 'm')
    union all
    select 'default', r.oid, r.schema_name, r.name, a.attname, '', r.owner, pg_catalog.pg_get_expr(d.adbin, d.adrelid), null
    from pg_catalog.pg_attrdef as d
    join relation as r on r.oid = d.adrelid
    join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    union all
    select
        'policy', p.oid, r.schema_name, r.name, p.polname, '', r.owner,
        pg_catalog.concat_ws(
            pg_catalog.chr(10),
            pg_catalog.pg_get_expr(p.polqual, p.polrelid),
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
        ),
        null
    from pg_catalog.pg_policy as p
    join relation as r on r.oid = p.polrelid
    union all
    select 'constraint', k.oid, r.schema_name, r.name, k.conname, '', r.owner, pg_catalog.pg_get_constraintdef(k.oid), null
    from pg_catalog.pg_constraint as k
    join relation as r on r.oid = k.conrelid
    where k.contype = 'c'
    union all
    select 'trigger', t.oid, r.schema_name, r.name, t.tgname, '', r.owner, pg_catalog.pg_get_triggerdef(t.oid), null
    from pg_catalog.pg_trigger as t
    join relation as r on r.oid = t.tgrelid
    where not t.tgisinternal
    union all
    select 'rule', w.oid, r.schema_name, r.name, w.rulename, '', r.owner, pg_catalog.pg_get_ruledef(w.oid), null
    from pg_catalog.pg_rewrite as w
    join relation as r on r.oid = w.ev_class
    where w.rulename <> '_RETURN' or w.ev_type <> '1'
    union all
    select 'index', i.indexrelid, r.schema_name, r.name, x.relname, '', r.owner, pg_catalog.pg_get_indexdef(i.indexrelid), null
    from pg_catalog.pg_index as i
    join pg_catalog.pg_class as x on x.oid = i.indexrelid
    join relation as r on r.oid = i.indrelid
    where i.indexprs is not null or i.indpred is not null
), stripped as (
    select
        c.*,
        -- Most code speaks of none of this, and is not looked at any closer.
        case
            when c.text ~* '(passw|pwd|://|crypt|hmac|private key|pgaudit|log_|session_replication|event_triggers)'
                then pg_catalog.regexp_replace(
                    c.text,
                    '("(?:[^"]|"")*"|''(?:[^'']|'''')*'')|--[^' || pg_catalog.chr(10) || ']*|/[*](?:[^*]|[*]+[^*/])*[*]+/',
                    pg_catalog.chr(92) || '1 ',
                    'g'
                )
            else ''
        end as plain
    from code as c
    offset 0
), seen as (
    select
        s.*,
        s.plain ~* '(^|[^a-z0-9_$])(pgp_(sym|pub)_(en|de)crypt(_bytea)?|hmac|(en|de)crypt(_iv)?)"?[[:space:]]*[(]' as calls_pgcrypto,
        pg_catalog.regexp_replace(s.plain, '''(?:[^'']|'''')*''', '''?''', 'g') as skeleton
    from stripped as s
    where s.plain <> '' or s.settings is not null
    offset 0
)
-- Nothing is looked for where there is nothing to look at: there are more patterns below than the server keeps compiled.
select
    s.class,
    s.object,
    s.schema_name,
    s.relation_name,
    s.name,
    s.arguments,
    s.owner,
    '[]' as marks
from stripped as s
where s.plain = '' and s.settings is null
union all
select
    s.class,
    s.object,
    s.schema_name,
    s.relation_name,
    s.name,
    s.arguments,
    s.owner,
    coalesce(
        (
            select pg_catalog.json_agg(judged.mark order by judged.mark)::text
            from (
                values
                    ('calls-pgcrypto', s.calls_pgcrypto),
                    (
                        'key-literal',
                        s.calls_pgcrypto and (
                            constants.key_material
                            or s.skeleton ~* '(^|[^a-z0-9_$])(pgp_sym_(en|de)crypt(_bytea)?|pgp_pub_decrypt(_bytea)?|hmac|(en|de)crypt(_iv)?)"?[[:space:]]*[(]([^(),]|[(]([^()]|[(]([^()]|[(][^()]*[)])*[)])*[)])*,[[:space:]]*((pg_catalog[.])?"?(decode|convert_to|dearmor|digest|md5|sha256|sha512|cast)"?[[:space:]]*[(][[:space:]]*|[(])*[ebux&]*''[?]'''
                            or s.skeleton ~* '(^|[^a-z0-9_])[a-z0-9_]*(key|secret|passphrase|password|passwd|pepper|psw)[a-z0-9_]*([[:space:]]+[a-z ]+([(][0-9]+[)])?)?([[:space:]]*:=|[[:space:]]+default)[[:space:]]*[ebux&]*''[?]'''
                        )
                    ),
                    ('private-key', constants.private_key),
                    ('secret-setting', s.class = 'function' and clauses.secret),
                    ('connection-with-password', constants.connection),
                    (
                        'password-literal',
                        constants.password or s.skeleton ~* '(^|[^a-z0-9_$."''])password[[:space:]]+[ebux&]*''[?]'''
                    ),
                    (
                        'sets-audit-setting',
                        s.class = 'function' and (
                            s.plain ~* '(^|[^a-z0-9_$.])(set|reset)[[:space:]]+((local|session)[[:space:]]+)?"?(pgaudit"?[.]|(log_(statement|min_messages|min_error_statement|min_duration_statement|error_verbosity|connections|disconnections|replication_commands|parameter_max_length)|session_replication_role|event_triggers)"?[[:space:]]*(=|to[[:space:]]|$))'
                            or s.plain ~* '(^|[^a-z0-9_$])set_config[[:space:]]*[(][[:space:]]*''(pgaudit[.]|log_(statement|min_messages|min_error_statement|min_duration_statement|error_verbosity|connections|disconnections|replication_commands|parameter_max_length)''|session_replication_role''|event_triggers'')'
                        )
                    )
            ) as judged (mark, holds)
            where judged.holds
        ),
        '[]'
    ) as marks
from seen as s
cross join lateral (
    select
        coalesce(
            pg_catalog.bool_or(
                literal.text ~* '[a-z][a-z0-9+.-]*://[^[:space:]/@:]*:[^[:space:]@/%${<][^[:space:]@/]*@'
                or literal.text ~* '(^|[^a-z0-9_])(password|passwd|pwd)[[:space:]]*=[[:space:]]*(?:'''')?[^[:space:]''%${<?:=]'
                    and literal.text !~* '^[[:space:](]*(select|insert|update|delete|merge|with|set|where|and|or)[[:space:]]'
                    and (
                        literal.text ~* '(^|[^a-z0-9_])(host|hostaddr|dbname|database|user|port|service|sslmode|server|uid)[[:space:]]*='
                        or s.plain ~* 'dblink'
                    )
            ),
            false
        ) as connection,
        coalesce(
            pg_catalog.bool_or(
                literal.text ~* '(role|user|group|mapping|options)[[:space:](].*password[[:space:]]+''''[^''%]'
            ),
            false
        ) as password,
        coalesce(pg_catalog.bool_or(literal.text ~* '^(0x|.x)?[0-9a-f]{32,}$'), false) as key_material,
        coalesce(pg_catalog.bool_or(literal.text ~ '-----BEGIN [A-Z ]*PRIVATE KEY'), false) as private_key
    from (
        select constant.parts[1] as text
        from pg_catalog.regexp_matches(s.plain, '''((?:[^'']|'''')*)''', 'g') as constant (parts)
    ) as literal
) as constants
cross join lateral (
    select
        coalesce(
            pg_catalog.bool_or(
                shaped.blatant
                or named.key_kind = 'secret'
                    and shaped.shape in ('key-material', 'uuid', 'word', 'text')
                    and pg_catalog.strpos(clause.name, '.') > 0
                    and (
                        clause.name ~* 'secret_id$'
                        or clause.name !~* '[._-](id|name|alias|version|arn|path|file|dir|algorithm|type|kind|mode|policy|provider|source|store|issuer|audience|ttl|expiry|lifetime|length|size)$'
                    )
            ),
            false
        ) as secret
    from (
        select
            pg_catalog.split_part(item.assignment, '=', 1) as name,
            pg_catalog.substr(item.assignment, pg_catalog.strpos(item.assignment, '=') + 1) as value
        from pg_catalog.unnest(s.settings) as item (assignment)
    ) as clause
    cross join lateral (
        --@ include setting-name clause.name
    ) as named
    cross join lateral (
        --@ include shape clause.value
    ) as shaped
) as clauses
order by class, object, name
