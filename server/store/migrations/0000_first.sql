CREATE TABLE "alerts" (
	"incident" text PRIMARY KEY NOT NULL,
	"rule_id" text NOT NULL,
	"pipeline_id" text NOT NULL,
	"check_id" text NOT NULL,
	"signal" text,
	"kind" text NOT NULL,
	"severity" text NOT NULL,
	"status" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"fired_at" timestamp (3) with time zone,
	"resolved_at" timestamp (3) with time zone,
	"value" double precision,
	"threshold" double precision,
	"unit" text,
	"state" jsonb NOT NULL,
	"why" text NOT NULL,
	"acknowledged_by" text,
	"acknowledged_at" timestamp (3) with time zone,
	"acknowledged_comment" text,
	CONSTRAINT "acknowledged_by_somebody" CHECK (("alerts"."acknowledged_by" is null) = ("alerts"."acknowledged_at" is null))
);
--> statement-breakpoint
CREATE TABLE "audits" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audits_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"run_id" uuid NOT NULL,
	"pair_id" text NOT NULL,
	"correction_id" text,
	"key" jsonb,
	"event" text NOT NULL,
	"actor" text NOT NULL,
	"detail" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "corrections" (
	"run_id" uuid NOT NULL,
	"id" text NOT NULL,
	"action" text NOT NULL,
	"state" text NOT NULL,
	"decided_by" text,
	"message" text,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "corrections_run_id_id_pk" PRIMARY KEY("run_id","id")
);
--> statement-breakpoint
CREATE TABLE "decisions" (
	"run_id" uuid NOT NULL,
	"id" text NOT NULL,
	"action" text NOT NULL,
	"decision" jsonb NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "decisions_run_id_id_pk" PRIMARY KEY("run_id","id")
);
--> statement-breakpoint
CREATE TABLE "differences" (
	"run_id" uuid NOT NULL,
	"id" text NOT NULL,
	"slice" integer NOT NULL,
	"found" bigint GENERATED ALWAYS AS IDENTITY (sequence name "differences_found_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"key" jsonb NOT NULL,
	"fields" jsonb NOT NULL,
	"source" jsonb,
	"target" jsonb,
	"duplicated" boolean NOT NULL,
	"copy" boolean NOT NULL,
	CONSTRAINT "differences_run_id_id_pk" PRIMARY KEY("run_id","id"),
	CONSTRAINT "a_kind_has_its_sides" CHECK (("differences"."kind" = 'extra') = ("differences"."source" is null) and ("differences"."kind" = 'missing') = ("differences"."target" is null))
);
--> statement-breakpoint
CREATE TABLE "dues" (
	"pair_id" text PRIMARY KEY NOT NULL,
	"schedule" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"occasion" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "memories" (
	"check_id" text NOT NULL,
	"hop" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"state" jsonb NOT NULL,
	CONSTRAINT "memories_check_id_hop_pk" PRIMARY KEY("check_id","hop")
);
--> statement-breakpoint
CREATE TABLE "notices" (
	"id" text PRIMARY KEY NOT NULL,
	"channel" text NOT NULL,
	"incident" text NOT NULL,
	"event" text NOT NULL,
	"dedup_key" text NOT NULL,
	"body" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" timestamp (3) with time zone NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"delivered_at" timestamp (3) with time zone,
	"dead_at" timestamp (3) with time zone,
	"last_error" text
);
--> statement-breakpoint
CREATE TABLE "observations" (
	"check_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"took_ms" double precision NOT NULL,
	"answered" boolean NOT NULL,
	"fault_code" text,
	"fault_message" text,
	"fault_hint" text,
	CONSTRAINT "observations_check_id_at_pk" PRIMARY KEY("check_id","at"),
	CONSTRAINT "a_fault_explains_each_silence" CHECK ("observations"."answered" = ("observations"."fault_code" is null))
);
--> statement-breakpoint
CREATE TABLE "pipeline_states" (
	"pipeline_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "pipeline_states_pipeline_id_at_pk" PRIMARY KEY("pipeline_id","at")
);
--> statement-breakpoint
CREATE TABLE "rollups" (
	"check_id" text NOT NULL,
	"metric" text NOT NULL,
	"step_seconds" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"count" integer NOT NULL,
	"min" double precision NOT NULL,
	"max" double precision NOT NULL,
	"sum" double precision NOT NULL,
	"last" double precision NOT NULL,
	CONSTRAINT "rollups_check_id_metric_step_seconds_at_pk" PRIMARY KEY("check_id","metric","step_seconds","at")
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"pair_id" text NOT NULL,
	"pipeline_id" text NOT NULL,
	"state" text NOT NULL,
	"step" text NOT NULL,
	"mode" text NOT NULL,
	"trigger" text NOT NULL,
	"requested_by" text NOT NULL,
	"occasion" text,
	"apply" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"lease_owner" text,
	"lease_until" timestamp (3) with time zone,
	"cancel_by" text,
	"verdict" text,
	"plan" jsonb,
	"compared_at" timestamp (3) with time zone,
	"progress" jsonb,
	"result" jsonb,
	"guards" jsonb,
	"fault" jsonb,
	CONSTRAINT "one_run_an_occasion" UNIQUE("pair_id","occasion")
);
--> statement-breakpoint
CREATE TABLE "samples" (
	"check_id" text NOT NULL,
	"metric" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"value" double precision NOT NULL,
	CONSTRAINT "samples_check_id_metric_at_pk" PRIMARY KEY("check_id","metric","at"),
	CONSTRAINT "sample_is_a_number" CHECK ("samples"."value" <> 'NaN' and abs("samples"."value") < 'Infinity')
);
--> statement-breakpoint
CREATE TABLE "slices" (
	"run_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"state" text NOT NULL,
	"result" jsonb NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "slices_run_id_ordinal_pk" PRIMARY KEY("run_id","ordinal")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"hash" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "corrections" ADD CONSTRAINT "corrections_run_id_id_differences_run_id_id_fk" FOREIGN KEY ("run_id","id") REFERENCES "public"."differences"("run_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "decisions" ADD CONSTRAINT "decisions_run_id_id_differences_run_id_id_fk" FOREIGN KEY ("run_id","id") REFERENCES "public"."differences"("run_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "differences" ADD CONSTRAINT "differences_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "slices" ADD CONSTRAINT "slices_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "alerts_by_status" ON "alerts" USING btree ("status","since");--> statement-breakpoint
CREATE INDEX "alerts_by_pipeline" ON "alerts" USING btree ("pipeline_id","since");--> statement-breakpoint
CREATE INDEX "audits_by_run" ON "audits" USING btree ("run_id","id");--> statement-breakpoint
CREATE INDEX "audits_by_pair" ON "audits" USING btree ("pair_id","at");--> statement-breakpoint
CREATE INDEX "corrections_by_state" ON "corrections" USING btree ("run_id","state","action","id");--> statement-breakpoint
CREATE INDEX "differences_in_order" ON "differences" USING btree ("run_id","found");--> statement-breakpoint
CREATE INDEX "notices_by_incident" ON "notices" USING btree ("incident","channel");--> statement-breakpoint
CREATE INDEX "notices_waiting" ON "notices" USING btree ("next_at") WHERE "notices"."delivered_at" is null and "notices"."dead_at" is null;--> statement-breakpoint
CREATE INDEX "observations_by_age" ON "observations" USING btree ("at");--> statement-breakpoint
CREATE INDEX "rollups_by_age" ON "rollups" USING btree ("step_seconds","at");--> statement-breakpoint
CREATE INDEX "runs_by_pair" ON "runs" USING btree ("pair_id","created_at");--> statement-breakpoint
CREATE INDEX "runs_unfinished" ON "runs" USING btree ("state") WHERE "runs"."state" in ('queued', 'running', 'applying');--> statement-breakpoint
CREATE INDEX "samples_by_age" ON "samples" USING btree ("at");