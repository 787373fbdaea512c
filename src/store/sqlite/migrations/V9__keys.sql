-- networks: in CIDR form, with blanks between; empty: any.
alter table api_key add column networks text not null default '';

-- When each key was used last, to the minute, and from where. Apart from the key: it is no change of it.
create table key_use (
  key_id integer primary key,
  used_at integer not null,
  address text not null
) without rowid;

alter table application add column contact text not null default '';
alter table application add column default_topic text;
alter table application add column version integer not null default 1;
