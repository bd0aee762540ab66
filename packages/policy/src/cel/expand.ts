import { hasField } from "./access.ts";
import { sizeOf } from "./ast.ts";
import { NO_OVERLOAD } from "./fault.ts";
import type { Code } from "./frame.ts";
import type { Compiling, Locals } from "./locals.ts";
import { compileLoop } from "./loop.ts";
import type { Macro } from "./macro.ts";
import { Optional } from "./value.ts";

/** The code of a macro. */
export function compileMacro(compiler: Compiling, macro: Macro, locals: Locals): Code {
  switch (macro.kind) {
    case "has": {
      const of = compiler.code(macro.of.of, locals);
      const { field } = macro.of;
      return (f) => hasField(of(f), field);
    }
    case "bind": {
      const slot = compiler.slot();
      const value = compiler.code(macro.value, locals);
      const body = compiler.code(
        macro.body,
        locals.with(macro.name, { slot, json: compiler.isJson(macro.value, locals) }),
      );
      return (f) => {
        f.slots[slot] = value(f);
        return body(f);
      };
    }
    case "optional": {
      const slot = compiler.slot();
      const of = compiler.code(macro.of, locals);
      const body = compiler.code(macro.body, locals.with(macro.name, { slot, json: false }));
      return (f) => {
        const optional = of(f);
        if (!(optional instanceof Optional)) throw NO_OVERLOAD;
        if (!optional.present) return Optional.none;
        f.slots[slot] = optional.value;
        const value = body(f);
        if (!macro.flat) return Optional.of(value);
        if (!(value instanceof Optional)) throw NO_OVERLOAD;
        return value;
      };
    }
    case "else": {
      const of = compiler.code(macro.of, locals);
      const other = compiler.code(macro.other, locals);
      return (f) => {
        const optional = of(f);
        if (!(optional instanceof Optional)) throw NO_OVERLOAD;
        if (optional.present) return macro.wrapped ? optional : optional.value;
        const value = other(f);
        if (macro.wrapped && !(value instanceof Optional)) throw NO_OVERLOAD;
        return value;
      };
    }
    case "loop":
      return compileLoop(compiler, macro, locals, 1 + sizeOf(macro.body) + (macro.filter ? sizeOf(macro.filter) : 0));
    default:
      return macro satisfies never;
  }
}
