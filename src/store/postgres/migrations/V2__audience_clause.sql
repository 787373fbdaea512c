-- Why a person is among a message's people: those of the snapshot who were in a clause of the expression, by the
-- clause's place among the different ones. No members: everybody of the segment. One clause alone needs no rows.
create table audience_clause (
  message_id bigint not null,
  clause bigint not null,
  segment bigint not null,
  members bytea,
  primary key (message_id, clause, segment)
);
alter table audience_clause alter column members set storage external;
