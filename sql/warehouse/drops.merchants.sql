CREATE TABLE "drops"."merchants" (
  "merchant_id" VARCHAR(16) NOT NULL,
  "merchant_name" VARCHAR(256) NOT NULL,
  "category_code" VARCHAR(4),
  "country" VARCHAR(2),
  "city" VARCHAR(128),
  "active" BOOLEAN NOT NULL,
  "opened_on" DATE,
  "tags" SUPER,
  "file" VARCHAR(1024) NOT NULL,
  "dropped_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("merchant_id")
);
