-- The highest key that a department ever had: none is used twice, so that an old grant or total never comes to mean
-- another department.
insert into head (name, value) select 'department', coalesce(max(id), 0) from department;

-- Whoever leaves loses grants and keys; few ever had their tokens ended.
create index access_grant_principal on access_grant (principal);
create index api_key_principal on api_key (principal);
create index user_token_epoch on user (ordinal) where token_epoch > 0;

-- Systems that people come from. A person is of one of them, or of none.
create table source (id integer primary key, name text not null unique);
alter table user add column source_id integer;
