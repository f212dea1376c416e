CREATE TABLE "app"."users" (
  "id" INTEGER NOT NULL,
  "name" VARCHAR(1024),
  "email" VARCHAR(1024),
  "address" VARCHAR(4096),
  "created_at" TIMESTAMPTZ,
  "updated_at" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("id")
);
