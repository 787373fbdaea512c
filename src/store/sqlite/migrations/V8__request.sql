-- Requests for grants. home: the department whose administrators decide first. body: what has no column, as JSON.
create table request (
  id integer primary key,
  requester integer not null,
  home integer not null,
  state integer not null,
  due_at integer not null,
  grant_id integer,
  version integer not null,
  body text not null
);
create index request_due on request (due_at) where state = 1;
create index request_requester on request (requester, id);
