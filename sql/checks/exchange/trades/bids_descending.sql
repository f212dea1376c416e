-- severity: warn
-- The best four bid prices descend.
SELECT id, ticker, JSON_SERIALIZE(bids) AS bids
FROM exchange.trades
WHERE bids[0] < bids[1] OR bids[1] < bids[2] OR bids[2] < bids[3]
