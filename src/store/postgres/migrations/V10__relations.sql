-- From a person to the messages that mean her: her segment's sets, newest first, and nothing else is read.
create index audience_person on audience_segment (segment, message_id);

-- The few settlements of whole legs, so that those of a person are found without reading all of a leg's.
create index settlement_whole on settlement (leg_id) where batch_id is null;

-- The first and last ordinal of a receipt. Most receipts are one person's, and are found by her; rows from before
-- may be anybody's.
alter table receipt add column ord_min bigint not null default 0;
alter table receipt add column ord_max bigint not null default 4294967295;
create index receipt_one on receipt (leg_id, ord_min) where ord_min = ord_max;
create index receipt_some on receipt (leg_id, ord_min) where ord_min <> ord_max;

-- Which messages refer to another one. The message itself says so too, in its facts.
create table relation (
  other_id bigint not null,
  message_id bigint not null,
  kind bigint not null,
  primary key (other_id, message_id)
);

-- counted: in the totals. Messages under a test key and trial copies are not.
alter table message add column counted bigint not null default 1;
update message set counted = 0 where mode <> 1;
