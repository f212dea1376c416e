CREATE TABLE "totesys"."currency" (
  "currency_id" INTEGER NOT NULL,
  "currency_code" VARCHAR(12) NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("currency_id")
);
