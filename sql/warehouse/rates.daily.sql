CREATE TABLE "rates"."daily" (
  "rate_date" DATE NOT NULL,
  "base" VARCHAR(3) NOT NULL,
  "currency" VARCHAR(3) NOT NULL,
  "rate" DECIMAL(18,8) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("rate_date", "base", "currency")
) COMPOUND SORTKEY ("rate_date");
