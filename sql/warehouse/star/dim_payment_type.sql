CREATE TABLE "star"."dim_payment_type" (
  "payment_type_id" INTEGER NOT NULL,
  "payment_type_name" VARCHAR(32) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("payment_type_id")
);
