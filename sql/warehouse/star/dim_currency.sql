CREATE TABLE "star"."dim_currency" (
  "currency_id" INTEGER NOT NULL,
  "currency_code" VARCHAR(12) NOT NULL,
  "currency_name" VARCHAR(128) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("currency_id")
);
