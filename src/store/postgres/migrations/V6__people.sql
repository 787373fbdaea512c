-- user_grants: ids as JSON.
alter table tag add column description text not null default '';
alter table tag add column sensitive bigint not null default 0;
alter table tag add column user_grants text not null default '[]';
alter table tag add column expire_at bigint;

-- Further ids of people; none of them is anybody's external id as well.
create table alias (
  external_id text collate "C" primary key,
  ordinal bigint not null
);
create index alias_ordinal on alias (ordinal);

-- state: 1 usable, 2 unverified, 3 invalid, 4 dead.
alter table address add column state bigint not null default 1;
alter table address add column verified_at bigint;

create table topic (
  id bigint primary key,
  name text collate "C" not null unique,
  title text not null,
  department_id bigint not null references department (id),
  default_on bigint not null,
  may_mute bigint not null,
  default_channels text not null,
  version bigint not null
);
