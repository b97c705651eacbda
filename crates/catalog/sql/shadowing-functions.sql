-- Functions that a call of a built-in one may reach instead: the same name, as many arguments, and each argument of the same
-- type or of one that is converted to the built-in's without being asked. Any role may ask. The server's own functions,
-- extensions' and procedures are left out. `identical`: some built-in one takes exactly these types; a call then reaches this
-- one only where its schema is searched before pg_catalog.
select
    own.oid as function,
    pg_catalog.bool_or(pair.identical) as identical,
    pg_catalog.min(
        (builtin.proname || '(' || pg_catalog.pg_get_function_identity_arguments(builtin.oid) || ')') collate "C"
    ) as shadows
from pg_catalog.pg_proc as own
join pg_catalog.pg_namespace as home on home.oid = own.pronamespace
join pg_catalog.pg_proc as builtin
    on builtin.proname = own.proname
    and builtin.pronargs = own.pronargs
    and builtin.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    and builtin.oid < 16384
    and builtin.prokind <> 'p'
cross join lateral (
    select
        coalesce(pg_catalog.bool_and(given.type = given.wanted), true) as identical,
        coalesce(
            pg_catalog.bool_and(
                given.type = given.wanted
                or wanted.typname in ('any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray')
                or (wanted.typname in ('anyarray', 'anycompatiblearray') and type.typcategory = 'A')
                or (wanted.typname = 'anyenum' and type.typtype = 'e')
                or (wanted.typname in ('anyrange', 'anycompatiblerange') and type.typtype = 'r')
                or (wanted.typname in ('anymultirange', 'anycompatiblemultirange') and type.typtype = 'm')
                or (type.typtype = 'd' and type.typbasetype = given.wanted)
                or exists (
                    select from pg_catalog.pg_cast as k
                    where k.castsource = given.type and k.casttarget = given.wanted and k.castcontext = 'i'
                )
            ),
            true
        ) as reachable
    from (
        select own.proargtypes[place.n] as type, builtin.proargtypes[place.n] as wanted
        from pg_catalog.generate_series(0, own.pronargs - 1) as place (n)
    ) as given
    join pg_catalog.pg_type as type on type.oid = given.type
    join pg_catalog.pg_type as wanted on wanted.oid = given.wanted
) as pair
where own.prokind <> 'p'
    and pair.reachable
    and home.nspname !~ '^pg_(toast_)?temp_'
    and own.oid >= 16384
    and not exists (
        select from pg_catalog.pg_depend as made
        where made.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            and made.objid = own.oid
            and made.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            and made.deptype = 'e'
    )
group by own.oid
order by own.oid
