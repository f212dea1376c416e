CREATE TABLE "totesys"."department" (
  "department_id" INTEGER NOT NULL,
  "department_name" VARCHAR(128) NOT NULL,
  "location" VARCHAR(128),
  "manager" VARCHAR(256),
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("department_id")
);
