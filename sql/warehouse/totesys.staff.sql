CREATE TABLE "totesys"."staff" (
  "staff_id" INTEGER NOT NULL,
  "first_name" VARCHAR(128) NOT NULL,
  "last_name" VARCHAR(128) NOT NULL,
  "department_id" INTEGER NOT NULL,
  "email_address" VARCHAR(320) NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("staff_id")
);
