import { type Library, LibraryBuilder } from "../env.ts";
import { addEncoders } from "./encoders.ts";
import { addFlow } from "./flow.ts";
import { addHosts } from "./host.ts";
import { addLists } from "./lists.ts";
import { addMath } from "./math.ts";
import { addNetwork } from "./network.ts";
import { addOptional } from "./optional.ts";
import { addPaths } from "./path.ts";
import { addStandard } from "./standard.ts";
import { addStrings } from "./strings.ts";

function build(): Library {
  const lib = new LibraryBuilder();
  addStandard(lib);
  addStrings(lib);
  addMath(lib);
  addLists(lib);
  addOptional(lib);
  addEncoders(lib);
  addNetwork(lib);
  addHosts(lib);
  addPaths(lib);
  addFlow(lib);
  return lib.functions;
}

/** Every function that an expression may call. */
export const LIBRARY: Library = build();
