-- severity: warn
-- The best three ask prices ascend.
SELECT id, ticker, JSON_SERIALIZE(asks) AS asks
FROM exchange.trades
WHERE asks[0] > asks[1] OR asks[1] > asks[2]
