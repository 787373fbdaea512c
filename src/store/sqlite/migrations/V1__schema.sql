-- Times are milliseconds since 1970, UTC. Sets are portable Roaring bitmaps within one segment of 65,536
-- ordinals. Codes are the numbers of the enums in src/domain. A principal is an application's id, or -1 less
-- a person's ordinal.

-- bytes: of 'secret' alone, which has no value.
create table head (name text primary key, value integer, bytes blob) without rowid;
insert into head (name, value) values ('change', 0), ('ordinal', 16), ('epoch', 0);
insert into head (name, bytes) values ('secret', randomblob(32));

-- id: the node's epoch. state: 1 alive, 2 left, 3 dead. roles: their names with commas. report: the node's last word
-- about itself, as JSON.
create table node (
  id integer primary key,
  name text not null,
  roles text not null,
  state integer not null,
  started_at integer not null,
  lease_until integer not null,
  report text
);

create table change (
  seq integer primary key,
  at integer not null,
  kind integer not null,
  object_id integer not null,
  segment integer,
  added blob,
  removed blob
);

create table department (
  id integer primary key,
  parent_id integer references department (id),
  external_id text not null unique,
  name text not null,
  version integer not null
);

create table user (
  ordinal integer primary key,
  external_id text unique,
  kind integer not null,
  name text not null,
  status integer not null,
  locale text not null,
  primary_department_id integer references department (id),
  token_epoch integer not null default 0,
  version integer not null,
  erased_at integer
);
insert into user (ordinal, external_id, kind, name, status, locale, version)
  values (0, 'administrator', 2, 'Administrator', 1, 'zh-CN', 1);

-- Simulated recipients of test keys; src/domain/directory.rs names them.
insert into user (ordinal, external_id, kind, name, status, locale, version) values
  (1, 'sim-sent', 2, 'Simulated: sent', 1, 'zh-CN', 1),
  (2, 'sim-refused', 2, 'Simulated: refused', 1, 'zh-CN', 1),
  (3, 'sim-no-address', 2, 'Simulated: no address', 1, 'zh-CN', 1),
  (4, 'sim-slow', 2, 'Simulated: slow', 1, 'zh-CN', 1),
  (5, 'sim-unknown', 2, 'Simulated: unknown', 1, 'zh-CN', 1),
  (6, 'sim-retry', 2, 'Simulated: retry', 1, 'zh-CN', 1);

create table address (
  ordinal integer not null,
  channel integer not null,
  value text not null,
  changed_at integer not null,
  primary key (ordinal, channel, value)
) without rowid;
create index address_value on address (channel, value);
insert into address (ordinal, channel, value, changed_at)
  select ordinal, channel, external_id, 0
  from user, (select 1 as channel union select 2 union select 3 union select 4 union select 5 union select 6 union select 7)
  where ordinal in (1, 2, 4, 5, 6);

-- The tags of a user by name, so that one user is read without looking into every set.
create table membership (
  ordinal integer not null,
  tag_id integer not null,
  primary key (ordinal, tag_id)
) without rowid;

create table tag (
  id integer primary key,
  kind integer not null,
  name text not null,
  title text not null default '',
  rule text,
  department_id integer references department (id),
  version integer not null,
  unique (kind, name)
);

create table tag_segment (
  tag_id integer not null,
  segment integer not null,
  members blob not null,
  primary key (tag_id, segment)
) without rowid;

create table application (
  id integer primary key,
  department_id integer not null references department (id),
  title text not null,
  weight integer not null default 1,
  inbox_gateway integer not null default 0,
  default_channels text not null
);

create table api_key (
  id integer primary key,
  principal integer not null,
  mode integer not null,
  hash blob not null unique,
  scopes integer not null,
  title text not null,
  created_at integer not null,
  expire_at integer,
  revoked_at integer,
  version integer not null
);

-- body: the grant as JSON; the columns beside it are what the publish commit verifies.
create table access_grant (
  id integer primary key,
  principal integer not null,
  revoked_at integer,
  version integer not null,
  body text not null
);

create table usage (
  grant_id integer not null,
  day integer not null,
  n integer not null,
  primary key (grant_id, day)
) without rowid;

-- only_member: the one person of a short message, which has no leg, segment or content rows of its own kind.
-- facts: what is only ever read as a whole, as JSON.
create table message (
  id integer primary key,
  principal integer not null,
  state integer not null,
  mode integer not null,
  class integer not null,
  department_id integer not null,
  members_n integer not null,
  only_member integer,
  send_at integer not null,
  expire_at integer not null,
  cancelled_at integer,
  idem_key text not null,
  idem_digest blob not null,
  reference text,
  facts text not null,
  content text not null
);
create unique index message_key on message (principal, idem_key);
create index message_scheduled on message (send_at) where state = 1;
create index message_reference on message (reference) where reference is not null;

create table audience_segment (
  message_id integer not null,
  segment integer not null,
  members blob not null,
  primary key (message_id, segment)
) without rowid;

create table leg (
  id integer primary key,
  channel integer not null,
  provider_id text not null,
  lane integer not null,
  state integer not null,
  batch_size integer not null,
  cut_to integer not null default 0,
  members_n integer not null,
  visible_at integer,
  hidden_at integer,
  counts text
);
create index leg_cutting on leg (id) where state = 2;
create index leg_open on leg (id) where state = 3;
create index leg_visible on leg (visible_at) where visible_at is not null and hidden_at is null;

-- members null: the slice of its leg from ord_min to ord_max. state: 1 waiting, 2 claimed, 3 closed.
-- outcome, reason, settled_at, detail: the one outcome of all of a batch, and of a short message's leg.
create table batch (
  id integer primary key,
  leg_id integer not null,
  ord_min integer not null,
  ord_max integer not null,
  members blob,
  n integer not null,
  provider_id text not null,
  channel integer not null,
  lane integer not null,
  principal integer not null,
  due_at integer not null,
  attempt integer not null,
  claims integer not null,
  state integer not null,
  owner_epoch integer,
  opened_to integer,
  short integer not null,
  outcome integer,
  reason integer,
  settled_at integer,
  detail text
);
create index batch_waiting on batch (provider_id, lane, principal, due_at) where state = 1;
create index batch_claimed on batch (owner_epoch) where state = 2;
create index batch_leg on batch (leg_id, ord_min);

-- members null: all of its leg. What all of a batch got at once stands in the batch's own row instead.
-- detail: the provider's words, or those of several calls in one row as src/store/packing.rs has them.
create table settlement (
  id integer primary key,
  leg_id integer not null,
  batch_id integer,
  at integer not null,
  attempt integer not null,
  outcome integer not null,
  reason integer not null,
  n integer not null,
  members blob,
  detail text
);
create index settlement_leg on settlement (leg_id);
create index settlement_batch on settlement (batch_id) where batch_id is not null;

-- Counts are kept in parts, so that concurrent writers do not wait for one another; readers sum. Here there is
-- one writer and one part.
create table leg_count (
  leg_id integer not null,
  part integer not null,
  outcome integer not null,
  n integer not null,
  primary key (leg_id, part, outcome)
) without rowid;

create table rollup (
  day integer not null,
  principal integer not null,
  department_id integer not null,
  channel integer not null,
  class integer not null,
  outcome integer not null,
  part integer not null,
  n integer not null,
  primary key (day, principal, department_id, channel, class, outcome, part)
) without rowid;

create table receipt (
  id integer primary key,
  leg_id integer not null,
  at integer not null,
  kind integer not null,
  members blob not null
);
create index receipt_leg on receipt (leg_id);
create index receipt_at on receipt (at);

create table personal (
  ordinal integer not null,
  message_id integer not null,
  primary key (ordinal, message_id)
) without rowid;

create table inbox_mark (
  ordinal integer primary key,
  read_through integer not null
) without rowid;

-- One row: when a check of the books began last, and when one last found them balanced, in the store's time; the
-- legs that did not balance at the last check.
create table books_check (
  id integer primary key,
  began_at integer not null,
  balanced_at integer,
  unbalanced text not null
);
insert into books_check (id, began_at, unbalanced) values (1, 0, '');

-- body: the access token, sealed by src/access/cipher.rs; null before the first. version: 0 before the first.
-- Times here are by the store's own clock.
create table credential (
  provider_id text primary key,
  version integer not null,
  body blob,
  expires_at integer not null,
  refreshing_until integer,
  refreshing_by integer
) without rowid;
