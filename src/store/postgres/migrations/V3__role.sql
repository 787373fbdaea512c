-- What people are here for. department_id: 0 is everywhere.
create table role (
  ordinal bigint not null,
  role bigint not null,
  department_id bigint not null,
  expire_at bigint,
  given_by bigint not null,
  given_at bigint not null,
  primary key (ordinal, role, department_id)
);
