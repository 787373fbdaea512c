-- Requests for grants. home: the department whose administrators decide first. body: what has no column, as JSON.
create table request (
  id bigint primary key,
  requester bigint not null,
  home bigint not null,
  state bigint not null,
  due_at bigint not null,
  grant_id bigint,
  version bigint not null,
  body text not null
);
create index request_due on request (due_at) where state = 1;
create index request_requester on request (requester, id);
