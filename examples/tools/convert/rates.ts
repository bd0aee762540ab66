/** The service of rates, which the manifest has to name under `hosts`. This one is `rates-server.mjs` on this machine. */
export const RATES = "http://localhost:8741";

/** Digits after the point where there are not two (ISO 4217). */
const DIGITS: Readonly<Record<string, number>> = {
  BHD: 3,
  CLP: 0,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KRW: 0,
  KWD: 3,
  OMR: 3,
  TND: 3,
  UGX: 0,
  VND: 0,
  XAF: 0,
  XOF: 0,
};

export const digitsOf = (currency: string): number => DIGITS[currency] ?? 2;

export interface Rates {
  readonly base: string;
  readonly date: string;
  readonly rates: Readonly<Record<string, number>>;
}

/** Asks for the rates of a currency. What comes is somebody else's text: it is checked before it is used. */
export async function ratesOf(base: string): Promise<Rates> {
  const answer = await fetch(`${RATES}/latest?base=${encodeURIComponent(base)}`);
  if (answer.status === 404) throw new Error(`there are no rates for \`${base}\``);
  if (!answer.ok) throw new Error(`the service of rates answered ${answer.status}`);
  const body: unknown = await answer.json();
  const { date, rates } = (typeof body === "object" && body !== null ? body : {}) as Partial<
    Record<keyof Rates, unknown>
  >;
  if (typeof date !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(date) || typeof rates !== "object" || rates === null)
    throw new Error("the service of rates answered something else");
  const usable = Object.entries(rates).filter(
    ([code, rate]) => /^[A-Z]{3}$/.test(code) && typeof rate === "number" && rate > 0,
  );
  return { base, date, rates: Object.fromEntries(usable) as Record<string, number> };
}
