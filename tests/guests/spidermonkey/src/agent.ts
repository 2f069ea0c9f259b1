// The agents of sample-agents/faq and tests/guests/typescript in one component of another engine: building one takes long.

import faq from "../../../../sample-agents/faq/src/agent.js";
import surface from "../../typescript/src/agent.ts";

/** A surface request names its act. */
function isSurface({ body }: { body: Uint8Array }): boolean {
  return new TextDecoder().decode(body).startsWith('{"act"');
}

export default { invoke: (request: any) => (isSurface(request) ? surface : faq).invoke(request) };
