-- Every member of staff has a department, which need not have a location.
SELECT s.staff_id, s.first_name, s.last_name, d.department_name, COALESCE(d.location, 'Unknown') AS location, s.email_address
FROM staff AS s JOIN department AS d USING (department_id)
