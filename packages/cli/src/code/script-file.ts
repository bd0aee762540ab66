import { readFile } from "node:fs/promises";
import { CallgateError, messageOf } from "@callgate/core";
import { openStudy, type StudiedScript } from "@callgate/sandbox";
import { shownName } from "../case-files.ts";

/** A script from a file, read. Throws `BAD_ARGUMENT` for a file that cannot be read, and what `studyScript` throws. */
export async function scriptFile(file: string): Promise<StudiedScript> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `\`${file}\` cannot be read: ${messageOf(error)}`, {
      help: "name a file with the body of an async function, in JavaScript or TypeScript",
    });
  }
  return await studyScript(text, shownName(file));
}

/** What reading a script gives. Throws `SANDBOX_SYNTAX`, with the place in the script under the name that it is known by. */
export async function studyScript(text: string, name: string): Promise<StudiedScript> {
  const study = openStudy();
  try {
    return await study.read(text);
  } catch (error) {
    if (!(error instanceof CallgateError)) throw error;
    const { code, message, help, diagnostics } = error;
    throw new CallgateError(code, diagnostics.length > 0 ? `\`${name}\` cannot be read as a script` : message, {
      ...(help !== undefined && { help: help.replace(/^send/, "write") }),
      diagnostics: diagnostics.map((one) => ({ ...one, ...(one.span && { span: { ...one.span, file: name } }) })),
    });
  } finally {
    await study.close();
  }
}
