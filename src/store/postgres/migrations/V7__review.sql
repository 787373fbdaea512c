-- The second person of a message. timing: 1 before it is sent, 2 afterwards. panel: 1 the department, 2 beyond it.
-- state: 1 open, 2 approved, 3 refused, 4 sent back, 5 lapsed, 6 dropped. round: raised when it has to be approved again.
-- told: 0 nobody, 1 reviewers were asked, 2 and reminded, 3 the author knows how it ended.
create table review (
  message_id bigint primary key,
  round bigint not null,
  timing bigint not null,
  panel bigint not null,
  approvals bigint not null,
  fingerprint bytea not null,
  people bigint not null,
  tolerance bigint not null,
  opened_at bigint not null,
  lapse_at bigint not null,
  state bigint not null,
  decided_at bigint,
  told bigint not null
);
create index review_open on review (lapse_at, message_id) where state = 1;
create index review_untold on review (message_id) where told < 3;

-- stands_for: the reviewer, or the person in whose place a deputy decided; nobody's word counts twice.
create table review_vote (
  message_id bigint not null,
  round bigint not null,
  reviewer bigint not null,
  stands_for bigint not null,
  decision bigint not null,
  at bigint not null,
  comment text not null,
  primary key (message_id, round, reviewer),
  unique (message_id, round, stands_for)
);

create table review_deputy (
  ordinal bigint primary key,
  deputy bigint not null,
  until bigint not null
);
