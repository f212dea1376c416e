-- severity: warn
-- An e-mail address has a name, one @, a domain with a dot, and no blanks.
SELECT id, name, email
FROM app.users
WHERE email !~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:].]+$'
