-- certificates: SHA-256 of client certificates in hexadecimal, with blanks between; empty: any.
alter table api_key add column certificates text not null default '';
