CREATE TABLE "star"."dim_currency" (
  "currency_id" INTEGER NOT NULL,
  "currency_code" VARCHAR(12) NOT NULL,
  "currency_name" VARCHAR(128) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("currency_id")
);
