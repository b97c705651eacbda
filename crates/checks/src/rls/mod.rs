//! RLS: row-level security, judged from the catalogs.
