-- The audit trail: ids and ordinals only. Entries arrive unsealed and are moved behind the chain of their epoch within
-- about a second. actor: a principal, 0 for the service itself. messages: of a publish commit, 16 bytes for each
-- message, its id and its principal; object is the first of them then.
create table audit_unsealed (
  id integer primary key,
  epoch integer not null,
  at integer not null,
  actor integer not null,
  key_id integer not null,
  action integer not null,
  object_kind integer not null,
  object integer not null,
  messages blob not null,
  denied integer not null,
  digest blob not null
) strict;

-- hash: SHA-256 over the entry and the hash of the one before it in the epoch.
create table audit (
  epoch integer not null,
  sequence integer not null,
  at integer not null,
  actor integer not null,
  key_id integer not null,
  action integer not null,
  object_kind integer not null,
  object integer not null,
  messages blob not null,
  denied integer not null,
  digest blob not null,
  hash blob not null,
  primary key (epoch, sequence)
) strict;
create index audit_at on audit (at, epoch, sequence);
create index audit_action on audit (action, at);
create index audit_object on audit (object);

-- Against mistakes; whoever owns the file can drop them, and is found by the hashes.
create trigger audit_no_update before update on audit begin
  select raise(abort, 'the audit trail is append-only');
end;
create trigger audit_no_delete before delete on audit begin
  select raise(abort, 'the audit trail is append-only');
end;

-- How far each chain goes.
create table audit_head (
  epoch integer primary key,
  sequence integer not null,
  hash blob not null
) strict;

-- Signed words about all heads. heads: 48 bytes for each that moved since the checkpoint before: epoch, sequence, hash.
create table audit_checkpoint (
  number integer primary key,
  at integer not null,
  entries integer not null,
  heads blob not null,
  previous blob not null,
  signature blob not null
) strict;
