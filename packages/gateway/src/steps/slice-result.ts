/**
 * The text of `result` inside a JSON-RPC response, so that it can go on byte for byte; undefined where the layout is unusual.
 * Sound because the whole text was parsed, has these three members and no other, and begins and ends as these layouts do.
 */
export function sliceResult(text: string, message: object): string | undefined {
  if (Object.keys(message).length !== 3) return undefined;
  const last = /^\{"jsonrpc":"2\.0","id":(?:\d+|"[\w-]*"),"result":/.exec(text);
  if (last && text.endsWith("}}")) return text.slice(last[0].length, -1);
  if (!text.startsWith('{"result":{')) return undefined;
  const tail =
    /\},"jsonrpc":"2\.0","id":(?:\d+|"[\w-]*")\}$/.exec(text.slice(-80)) ??
    /\},"id":(?:\d+|"[\w-]*"),"jsonrpc":"2\.0"\}$/.exec(text.slice(-80));
  return tail ? text.slice(10, text.length - tail[0].length + 1) : undefined;
}
