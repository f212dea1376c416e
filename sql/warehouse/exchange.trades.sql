CREATE TABLE "exchange"."trades" (
  "id" VARCHAR(24) NOT NULL,
  "ticker" VARCHAR(16),
  "ticket" VARCHAR(16),
  "price" DECIMAL(18,6) NOT NULL,
  "shares" INTEGER NOT NULL,
  "system" VARCHAR(16),
  "lag" INTEGER,
  "asks" SUPER,
  "bids" SUPER,
  "traded_at" TIMESTAMPTZ,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("id")
) DISTSTYLE KEY DISTKEY ("id") COMPOUND SORTKEY ("traded_at");
