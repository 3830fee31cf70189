-- What language models were asked for each person, and what each person may spend in a month (docs/decisions/0013).

-- CreateTable
CREATE TABLE "usage_calls" (
    "id" UUID NOT NULL,
    "user_id" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "state" TEXT NOT NULL DEFAULT 'reserved',
    "input_tokens" INTEGER NOT NULL,
    "output_tokens" INTEGER NOT NULL,
    "input_price" DECIMAL(20,10),
    "output_price" DECIMAL(20,10),
    "cost" BIGINT,
    "estimated" BOOLEAN NOT NULL DEFAULT true,

    CONSTRAINT "usage_calls_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "budgets" (
    "user_id" TEXT NOT NULL,
    "tokens" BIGINT,
    "cost" BIGINT,
    "updated_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "budgets_pkey" PRIMARY KEY ("user_id")
);

-- AddForeignKey
ALTER TABLE "usage_calls" ADD CONSTRAINT "usage_calls_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- CreateIndex
CREATE INDEX "usage_calls_month_idx" ON "usage_calls"("user_id", "at");
