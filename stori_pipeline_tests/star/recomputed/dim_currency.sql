-- The names are those of ISO 4217, of the currencies that the company deals in and of one that a test adds.
SELECT c.currency_id, c.currency_code, COALESCE(iso.name, c.currency_code) AS currency_name
FROM currency AS c
LEFT JOIN (VALUES ('GBP', 'Pound Sterling'), ('USD', 'US Dollar'), ('EUR', 'Euro'), ('JPY', 'Yen')) AS iso (code, name)
  ON iso.code = c.currency_code
