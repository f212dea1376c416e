CREATE TABLE "totesys"."design" (
  "design_id" INTEGER NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL,
  "design_name" VARCHAR(128) NOT NULL,
  "file_location" VARCHAR(512) NOT NULL,
  "file_name" VARCHAR(256) NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("design_id")
);
