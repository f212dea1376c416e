CREATE TABLE "app"."transactions" (
  "id" INTEGER NOT NULL,
  "user_id" INTEGER,
  "amount" DECIMAL(10,2),
  "transaction_type" VARCHAR(256),
  "created_at" TIMESTAMPTZ,
  "updated_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("id")
);
