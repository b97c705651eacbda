-- A message about a configuration line, without the pieces of the line that it repeats: they may be a secret.
pg_catalog.regexp_replace(pg_catalog.regexp_replace(coalesce({}, ''), '".*"', '"..."'), ': .*$', '')
