create schema crm;
grant usage on schema crm, public to public;
grant create on schema public to public;

create table public.organizations (id uuid primary key default gen_random_uuid(), name text not null, plan text not null);
create table public.plans (name text primary key, monthly_cents int not null);
create table public.users (
    id bigserial primary key, tenant_id uuid not null references organizations, email text not null unique, full_name text);
create table public.projects (
    id bigserial primary key, tenant_id uuid not null references organizations, title text not null);
create table public.invoices (
    id bigserial primary key, tenant_id uuid not null references organizations, cents int not null, card_last4 text);
create table public.comments (
    id bigserial primary key, tenant_id uuid not null references organizations, project_id bigint, body text);
create table crm.contacts (
    id bigserial primary key, tenant_id uuid not null references organizations, phone text, notes text);
create table crm.attachments (
    id bigserial primary key, tenant_id uuid not null references organizations, file_name text, content bytea);
create table public.events (
    id bigint generated always as identity, tenant_id uuid not null, at timestamptz not null, what text)
    partition by range (at);
create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01');

-- Row-level security arrived later, and not everywhere.
alter table users enable row level security;
create policy tenant on users using (tenant_id = current_setting('app.current_tenant')::uuid);
alter table projects enable row level security;
alter table projects force row level security;
create policy tenant on projects using (tenant_id = current_setting('app.current_tenant')::uuid);
alter table invoices enable row level security;
create policy tenant on invoices using (tenant_id = current_setting('app.current_tenant')::uuid);
create policy finance_sees_all on invoices for select using (true);
-- The migration that was to switch it on never ran.
create policy tenant on comments using (tenant_id = current_setting('app.current_tenant')::uuid);

create view public.invoice_totals as select tenant_id, sum(cents) as cents from invoices group by tenant_id;
create function public.contact_notes(contact bigint) returns text language sql security definer
    as $$ select notes from crm.contacts where id = contact $$;

alter table organizations owner to shop_app;
alter table users owner to shop_app;
alter table projects owner to shop_app;
alter table invoices owner to shop_app;
alter table comments owner to shop_app;
grant select on all tables in schema public, crm to public;
grant insert, update on public.comments to public;
alter default privileges grant select on tables to public;

insert into plans values ('free', 0), ('team', 4900);
insert into organizations (name, plan) select 'Organization ' || n, 'team' from generate_series(1, 20) n;
insert into users (tenant_id, email, full_name)
    select o.id, 'user' || n || '@' || left(o.id::text, 8) || '.example', 'User ' || n from organizations o, generate_series(1, 25) n;
insert into projects (tenant_id, title) select id, 'Project of ' || name from organizations;
insert into invoices (tenant_id, cents, card_last4) select o.id, 4900 * n, '4242' from organizations o, generate_series(1, 12) n;
insert into comments (tenant_id, body) select id, 'hello' from organizations;
insert into crm.contacts (tenant_id, phone, notes) select id, '+1 555 0100', 'call back' from organizations;
insert into events (tenant_id, at, what) select o.id, '2026-06-01'::timestamptz + n * interval '1 day', 'login'
    from organizations o, generate_series(1, 30) n;
analyze;
