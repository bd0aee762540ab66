import type { ToolModule } from "../callgate.d.ts";
import { digitsOf, ratesOf } from "./rates.ts";

const currency = { type: "string", pattern: "^[A-Z]{3}$", description: "An ISO 4217 code, as in `EUR`." };

interface Money {
  readonly amount: number;
  readonly from: string;
  readonly to: string;
}

export default {
  tools: {
    convert: {
      description: "Converts an amount of money from one currency to another, by the rates of the day.",
      input: {
        type: "object",
        properties: { amount: { type: "number", minimum: 0, maximum: 1e12 }, from: currency, to: currency },
        required: ["amount", "from", "to"],
        additionalProperties: false,
      },
      output: {
        type: "object",
        properties: {
          amount: { type: "number", description: "Rounded to what the currency has." },
          currency,
          rate: { type: "number" },
          date: { type: "string", description: "The day of the rates." },
        },
        required: ["amount", "currency", "rate", "date"],
      },
      annotations: { readOnlyHint: true, openWorldHint: true },
      async handler({ amount, from, to }: Money) {
        const { date, rates } = await ratesOf(from);
        const rate = from === to ? 1 : rates[to];
        if (rate === undefined) throw new Error(`there is no rate from \`${from}\` to \`${to}\``);
        return { amount: Number((amount * rate).toFixed(digitsOf(to))), currency: to, rate, date };
      },
    },
  },
} satisfies ToolModule;
