-- The audit trail: ids and ordinals only. Entries arrive unsealed and are moved behind the chain of their epoch within
-- about a second. actor: a principal, 0 for the service itself. messages: of a publish commit, 16 bytes for each
-- message, its id and its principal; object is the first of them then.
create table audit_unsealed (
  id bigint generated always as identity primary key,
  epoch bigint not null,
  at bigint not null,
  actor bigint not null,
  key_id bigint not null,
  action bigint not null,
  object_kind bigint not null,
  object bigint not null,
  messages bytea not null,
  denied bigint not null,
  digest bytea not null
);

-- hash: SHA-256 over the entry and the hash of the one before it in the epoch.
create table audit (
  epoch bigint not null,
  sequence bigint not null,
  at bigint not null,
  actor bigint not null,
  key_id bigint not null,
  action bigint not null,
  object_kind bigint not null,
  object bigint not null,
  messages bytea not null,
  denied bigint not null,
  digest bytea not null,
  hash bytea not null,
  primary key (epoch, sequence)
);
create index audit_at on audit (at, epoch, sequence);
create index audit_action on audit (action, at);
create index audit_object on audit (object);

-- Against mistakes; whoever owns the tables can drop it, and is found by the hashes.
create function audit_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit trail is append-only';
end
$$;
create trigger audit_append_only before update or delete or truncate on audit
  for each statement execute function audit_append_only();

-- How far each chain goes.
create table audit_head (
  epoch bigint primary key,
  sequence bigint not null,
  hash bytea not null
) with (fillfactor = 50);

-- Signed words about all heads. heads: 48 bytes for each that moved since the checkpoint before: epoch, sequence, hash.
create table audit_checkpoint (
  number bigint primary key,
  at bigint not null,
  entries bigint not null,
  heads bytea not null,
  previous bytea not null,
  signature bytea not null
);
