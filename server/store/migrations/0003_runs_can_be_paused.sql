ALTER TABLE "runs" ADD COLUMN "paused_by" text;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "paused_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "not_before" timestamp (3) with time zone;