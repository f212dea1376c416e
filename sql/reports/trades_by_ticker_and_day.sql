-- Trades by ticker and day in UTC: positions, turnover and spread.
--
-- The source does not say who bought and who sold. So the position is the number of shares that changed hands: on that day (`shares`), and
-- to date (`shares_to_date`). The spread is the best ask minus the best bid at the time of the trade, in the price's unit, over the trades
-- that have both. It is negative if the quotes crossed. Trades without a ticker or without a time have rows of their own.
WITH trade AS (
  SELECT
    ticker,
    CAST(traded_at AT TIME ZONE 'UTC' AS DATE) AS day,
    shares,
    price,
    asks[0]::DECIMAL(18, 6) - bids[0]::DECIMAL(18, 6) AS spread
  FROM exchange.trades
), daily AS (
  SELECT
    ticker,
    day,
    COUNT(*) AS trades,
    SUM(shares) AS shares,
    SUM(price * shares) AS turnover,
    MIN(price) AS lowest_price,
    MAX(price) AS highest_price,
    COUNT(spread) AS quoted_trades,
    MIN(spread) AS narrowest_spread,
    CAST(AVG(spread) AS DECIMAL(18, 6)) AS average_spread,
    MAX(spread) AS widest_spread
  FROM trade
  GROUP BY ticker, day
)
SELECT
  ticker,
  day,
  trades,
  shares,
  SUM(shares) OVER (PARTITION BY ticker ORDER BY day ROWS UNBOUNDED PRECEDING) AS shares_to_date,
  turnover,
  CAST(turnover / NULLIF(shares, 0) AS DECIMAL(18, 6)) AS average_price,
  lowest_price,
  highest_price,
  quoted_trades,
  narrowest_spread,
  average_spread,
  widest_spread
FROM daily
