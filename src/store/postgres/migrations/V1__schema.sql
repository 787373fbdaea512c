-- Times are milliseconds since 1970, UTC. Sets are portable Roaring bitmaps within one segment of 65,536
-- ordinals. Codes are the numbers of the enums in src/domain. A principal is an application's id, or -1 less
-- a person's ordinal.
--
-- The same tables as in src/store/sqlite/migrations. Every number is a bigint. Texts that order or identify
-- compare by their bytes, as they do there. Rows that are rewritten often leave room on their page, so that
-- no index need be touched; sets are compressed already and kept as they are.

-- bytes: of 'secret' alone, which has no value.
create table head (name text collate "C" primary key, value bigint, bytes bytea) with (fillfactor = 50);
insert into head (name, value) values ('change', 0), ('ordinal', 16), ('epoch', 0);
-- Three random numbers of 122 bits each, folded into 32 bytes.
insert into head (name, bytes) select 'secret', sha256(string_agg(uuid_send(gen_random_uuid()), ''))
  from generate_series(1, 3);

-- id: the node's epoch. state: 1 alive, 2 left, 3 dead. roles: their names with commas. report: the node's last word
-- about itself, as JSON.
create table node (
  id bigint primary key,
  name text not null,
  roles text not null,
  state bigint not null,
  started_at bigint not null,
  lease_until bigint not null,
  report text
) with (fillfactor = 50);

create table change (
  seq bigint primary key,
  at bigint not null,
  kind bigint not null,
  object_id bigint not null,
  segment bigint,
  added bytea,
  removed bytea
);

create table department (
  id bigint primary key,
  parent_id bigint references department (id),
  external_id text collate "C" not null unique,
  name text not null,
  version bigint not null
);

create table "user" (
  ordinal bigint primary key,
  external_id text collate "C" unique,
  kind bigint not null,
  name text not null,
  status bigint not null,
  locale text not null,
  primary_department_id bigint references department (id),
  token_epoch bigint not null default 0,
  version bigint not null,
  erased_at bigint
);
insert into "user" (ordinal, external_id, kind, name, status, locale, version)
  values (0, 'administrator', 2, 'Administrator', 1, 'zh-CN', 1);

-- Simulated recipients of test keys; src/domain/directory.rs names them.
insert into "user" (ordinal, external_id, kind, name, status, locale, version) values
  (1, 'sim-sent', 2, 'Simulated: sent', 1, 'zh-CN', 1),
  (2, 'sim-refused', 2, 'Simulated: refused', 1, 'zh-CN', 1),
  (3, 'sim-no-address', 2, 'Simulated: no address', 1, 'zh-CN', 1),
  (4, 'sim-slow', 2, 'Simulated: slow', 1, 'zh-CN', 1),
  (5, 'sim-unknown', 2, 'Simulated: unknown', 1, 'zh-CN', 1),
  (6, 'sim-retry', 2, 'Simulated: retry', 1, 'zh-CN', 1);

create table address (
  ordinal bigint not null,
  channel bigint not null,
  value text collate "C" not null,
  changed_at bigint not null,
  primary key (ordinal, channel, value)
);
create index address_value on address (channel, value);
insert into address (ordinal, channel, value, changed_at)
  select ordinal, channel, external_id, 0
  from "user", generate_series(1, 7) as channel
  where ordinal in (1, 2, 4, 5, 6);

-- The tags of a user by name, so that one user is read without looking into every set.
create table membership (
  ordinal bigint not null,
  tag_id bigint not null,
  primary key (ordinal, tag_id)
);

create table tag (
  id bigint primary key,
  kind bigint not null,
  name text collate "C" not null,
  title text not null default '',
  rule text,
  department_id bigint references department (id),
  version bigint not null,
  unique (kind, name)
);

create table tag_segment (
  tag_id bigint not null,
  segment bigint not null,
  members bytea not null,
  primary key (tag_id, segment)
) with (fillfactor = 80);

create table application (
  id bigint primary key,
  department_id bigint not null references department (id),
  title text not null,
  weight bigint not null default 1,
  inbox_gateway bigint not null default 0,
  default_channels text not null
);

create table api_key (
  id bigint primary key,
  principal bigint not null,
  mode bigint not null,
  hash bytea not null unique,
  scopes bigint not null,
  title text not null,
  created_at bigint not null,
  expire_at bigint,
  revoked_at bigint,
  version bigint not null
);

-- body: the grant as JSON; the columns beside it are what the publish commit verifies.
create table access_grant (
  id bigint primary key,
  principal bigint not null,
  revoked_at bigint,
  version bigint not null,
  body text not null
);

create table usage (
  grant_id bigint not null,
  day bigint not null,
  n bigint not null,
  primary key (grant_id, day)
) with (fillfactor = 50);

-- only_member: the one person of a short message, which has no leg, segment or content rows of its own kind.
-- facts: what is only ever read as a whole, as JSON.
create table message (
  id bigint primary key,
  principal bigint not null,
  state bigint not null,
  mode bigint not null,
  class bigint not null,
  department_id bigint not null,
  members_n bigint not null,
  only_member bigint,
  send_at bigint not null,
  expire_at bigint not null,
  cancelled_at bigint,
  idem_key text collate "C" not null,
  idem_digest bytea not null,
  reference text collate "C",
  facts text not null,
  content text not null
);
create unique index message_key on message (principal, idem_key);
create index message_scheduled on message (send_at) where state = 1;
create index message_reference on message (reference) where reference is not null;

create table audience_segment (
  message_id bigint not null,
  segment bigint not null,
  members bytea not null,
  primary key (message_id, segment)
);

create table leg (
  id bigint primary key,
  channel bigint not null,
  provider_id text collate "C" not null,
  lane bigint not null,
  state bigint not null,
  batch_size bigint not null,
  cut_to bigint not null default 0,
  members_n bigint not null,
  visible_at bigint,
  hidden_at bigint,
  counts text
);
create index leg_cutting on leg (id) where state = 2;
create index leg_open on leg (id) where state = 3;
create index leg_visible on leg (visible_at) where visible_at is not null and hidden_at is null;

-- members null: the slice of its leg from ord_min to ord_max. state: 1 waiting, 2 claimed, 3 closed.
-- outcome, reason, settled_at, detail: the one outcome of all of a batch, and of a short message's leg.
create table batch (
  id bigint generated by default as identity primary key,
  leg_id bigint not null,
  ord_min bigint not null,
  ord_max bigint not null,
  members bytea,
  n bigint not null,
  provider_id text collate "C" not null,
  channel bigint not null,
  lane bigint not null,
  principal bigint not null,
  due_at bigint not null,
  attempt bigint not null,
  claims bigint not null,
  state bigint not null,
  owner_epoch bigint,
  opened_to bigint,
  short bigint not null,
  outcome bigint,
  reason bigint,
  settled_at bigint,
  detail text
) with (fillfactor = 70);
create index batch_waiting on batch (provider_id, lane, principal, due_at) where state = 1;
create index batch_claimed on batch (owner_epoch) where state = 2;
create index batch_leg on batch (leg_id, ord_min);

-- members null: all of its leg. What all of a batch got at once stands in the batch's own row instead.
-- detail: the provider's words, or those of several calls in one row as src/store/packing.rs has them.
create table settlement (
  id bigint generated by default as identity primary key,
  leg_id bigint not null,
  batch_id bigint,
  at bigint not null,
  attempt bigint not null,
  outcome bigint not null,
  reason bigint not null,
  n bigint not null,
  members bytea,
  detail text
);
create index settlement_leg on settlement (leg_id);
create index settlement_batch on settlement (batch_id) where batch_id is not null;

-- Counts are kept in parts, so that concurrent writers do not wait for one another; readers sum.
create table leg_count (
  leg_id bigint not null,
  part bigint not null,
  outcome bigint not null,
  n bigint not null,
  primary key (leg_id, part, outcome)
) with (fillfactor = 50);

create table rollup (
  day bigint not null,
  principal bigint not null,
  department_id bigint not null,
  channel bigint not null,
  class bigint not null,
  outcome bigint not null,
  part bigint not null,
  n bigint not null,
  primary key (day, principal, department_id, channel, class, outcome, part)
) with (fillfactor = 70);

create table receipt (
  id bigint generated by default as identity primary key,
  leg_id bigint not null,
  at bigint not null,
  kind bigint not null,
  members bytea not null
);
create index receipt_leg on receipt (leg_id);
create index receipt_at on receipt (at);

create table personal (
  ordinal bigint not null,
  message_id bigint not null,
  primary key (ordinal, message_id)
);

create table inbox_mark (
  ordinal bigint primary key,
  read_through bigint not null
) with (fillfactor = 80);

-- One row: when a check of the books began last, and when one last found them balanced, in the store's time; the
-- legs that did not balance at the last check.
create table books_check (
  id bigint primary key,
  began_at bigint not null,
  balanced_at bigint,
  unbalanced text not null
);
insert into books_check (id, began_at, unbalanced) values (1, 0, '');

-- body: the access token, sealed by src/access/cipher.rs; null before the first. version: 0 before the first.
-- Times here are by the store's own clock.
create table credential (
  provider_id text collate "C" primary key,
  version bigint not null,
  body bytea,
  expires_at bigint not null,
  refreshing_until bigint,
  refreshing_by bigint
);

alter table change alter column added set storage external, alter column removed set storage external;
alter table tag_segment alter column members set storage external;
alter table audience_segment alter column members set storage external;
alter table batch alter column members set storage external;
alter table settlement alter column members set storage external;
alter table receipt alter column members set storage external;
