-- The second person of a message. timing: 1 before it is sent, 2 afterwards. panel: 1 the department, 2 beyond it.
-- state: 1 open, 2 approved, 3 refused, 4 sent back, 5 lapsed, 6 dropped. round: raised when it has to be approved again.
-- told: 0 nobody, 1 reviewers were asked, 2 and reminded, 3 the author knows how it ended.
create table review (
  message_id integer primary key,
  round integer not null,
  timing integer not null,
  panel integer not null,
  approvals integer not null,
  fingerprint blob not null,
  people integer not null,
  tolerance integer not null,
  opened_at integer not null,
  lapse_at integer not null,
  state integer not null,
  decided_at integer,
  told integer not null
);
create index review_open on review (lapse_at, message_id) where state = 1;
create index review_untold on review (message_id) where told < 3;

-- stands_for: the reviewer, or the person in whose place a deputy decided; nobody's word counts twice.
create table review_vote (
  message_id integer not null,
  round integer not null,
  reviewer integer not null,
  stands_for integer not null,
  decision integer not null,
  at integer not null,
  comment text not null,
  primary key (message_id, round, reviewer),
  unique (message_id, round, stands_for)
) without rowid;

create table review_deputy (
  ordinal integer primary key,
  deputy integer not null,
  until integer not null
);
