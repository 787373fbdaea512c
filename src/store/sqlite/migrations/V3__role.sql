-- What people are here for. department_id: 0 is everywhere.
create table role (
  ordinal integer not null,
  role integer not null,
  department_id integer not null,
  expire_at integer,
  given_by integer not null,
  given_at integer not null,
  primary key (ordinal, role, department_id)
) without rowid;
