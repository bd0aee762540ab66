import type { Type } from "../cel/type.ts";
import { numericOf, type Value } from "../cel/value.ts";
import { type Subject, type Test, tested } from "./atom.ts";
import type { Truth } from "./truth.ts";

/**
 * Every way in which tests of one subject can turn out together. It MUST NOT leave one out: the tests split all values into regions
 * (numbers at, between and around the constants; strings by the longest constant they start with; all else), and each region has a
 * point here.
 */
export function outcomesOf(subject: Subject, tests: readonly Test[]): Truth[][] {
  const outcomes = new Map<string, Truth[]>();
  const add = (outcome: Truth[]): void => void outcomes.set(outcome.join(), outcome);
  for (const value of pointsOf(subject, tests)) add(tests.map((test) => tested(test, value)));
  // The subject is not there, or something before it is not.
  add(tests.map((test) => (test.op === "has" ? false : "fault")));
  add(tests.map(() => "fault"));
  return [...outcomes.values()];
}

function pointsOf(subject: Subject, tests: readonly Test[]): Value[] {
  const constants = tests.flatMap((test): readonly Value[] => {
    if (test.op === "in") return test.values;
    return "value" in test ? [test.value] : [];
  });
  const types = subject.type.kind === "union" ? subject.type.of : [subject.type];
  const points: Value[] = [];
  for (const type of types) points.push(...pointsOfType(type, constants, subject.plain));
  return points;
}

function pointsOfType(type: Type, constants: readonly Value[], plain: boolean): Value[] {
  switch (type.kind) {
    case "string":
      return type.values ? [...type.values] : strings(constants);
    case "int":
      return numbers(constants, true);
    case "bool":
      return [true, false];
    case "null":
      return [null];
    case "double":
      return [...numbers(constants, false), ...(plain ? [] : [Number.NaN])];
    case "list":
    case "map":
    case "object":
      return [[]];
    default:
      // A list stands for what is neither equal to a scalar, nor ordered, nor a text.
      return [...strings(constants), ...numbers(constants, false), Number.NaN, true, false, null, []];
  }
}

function strings(constants: readonly Value[]): string[] {
  const texts = constants.filter((one): one is string => typeof one === "string");
  const other = strange(texts);
  return ["", ...texts].flatMap((text) => [text, text + other]);
}

/** A character that is in none of the texts: one that it follows goes on otherwise than any of them. */
function strange(texts: readonly string[]): string {
  for (let code = 0x10fffd; ; code--) {
    const character = String.fromCodePoint(code);
    if (!texts.some((text) => text.includes(character))) return character;
  }
}

function numbers(constants: readonly Value[], whole: boolean): number[] {
  const given = constants.flatMap((one) => {
    const number = numericOf(one);
    return number === undefined ? [] : [Number(number)];
  });
  const sorted = [...new Set([0, ...given])].sort((a, b) => a - b);
  const between = sorted.slice(1).map((high, i) => {
    const low = sorted[i] as number;
    return whole ? Math.floor(low) + 1 : (low + high) / 2;
  });
  const around = [Math.floor((sorted[0] as number) - 1), Math.ceil((sorted.at(-1) as number) + 1)];
  const points = [...sorted, ...between, ...around];
  return whole ? points.filter(Number.isInteger) : points;
}
