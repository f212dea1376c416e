-- severity: warn
-- An e-mail address has a name, one @, a domain with a dot, and no blanks.
SELECT staff_id, first_name, last_name, email_address
FROM totesys.staff
WHERE email_address !~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:].]+$'
