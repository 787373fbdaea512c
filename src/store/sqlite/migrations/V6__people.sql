-- user_grants: ids as JSON.
alter table tag add column description text not null default '';
alter table tag add column sensitive integer not null default 0;
alter table tag add column user_grants text not null default '[]';
alter table tag add column expire_at integer;

-- Further ids of people; none of them is anybody's external id as well.
create table alias (
  external_id text primary key,
  ordinal integer not null
) without rowid;
create index alias_ordinal on alias (ordinal);

-- state: 1 usable, 2 unverified, 3 invalid, 4 dead.
alter table address add column state integer not null default 1;
alter table address add column verified_at integer;

create table topic (
  id integer primary key,
  name text not null unique,
  title text not null,
  department_id integer not null references department (id),
  default_on integer not null,
  may_mute integer not null,
  default_channels text not null,
  version integer not null
);
