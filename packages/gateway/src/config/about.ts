/** Meaning and example for the reference, the editors' schema and the help of error messages. */
export const about = (description: string, example?: unknown) => ({
  description,
  ...(example !== undefined && { example }),
});
