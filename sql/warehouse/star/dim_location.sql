CREATE TABLE "star"."dim_location" (
  "location_id" INTEGER NOT NULL,
  "address_line_1" VARCHAR(256) NOT NULL,
  "address_line_2" VARCHAR(256),
  "district" VARCHAR(128),
  "city" VARCHAR(128) NOT NULL,
  "postal_code" VARCHAR(32) NOT NULL,
  "country" VARCHAR(128) NOT NULL,
  "phone" VARCHAR(32) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("location_id")
);
