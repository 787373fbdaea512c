-- The highest key that a department ever had: none is used twice, so that an old grant or total never comes to mean
-- another department.
insert into head (name, value) select 'department', coalesce(max(id), 0) from department;
