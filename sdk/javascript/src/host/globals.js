// Globals that authors and npm packages expect, where the engine lacks them: console, TextEncoder and TextDecoder.

import * as log from "../log.js";
import { decode, encode, sizeOf } from "../text.js";

export function install() {
  globalThis.console ??= {
    log: log.info,
    info: log.info,
    debug: log.debug,
    trace: log.trace,
    warn: log.warn,
    error: log.error,
  };
  globalThis.TextEncoder ??= class TextEncoder {
    static native = false;
    encoding = "utf-8";

    encode(text = "") {
      return encode(String(text));
    }
  };
  globalThis.TextDecoder ??= class TextDecoder {
    encoding = "utf-8";

    constructor(label = "utf-8", { fatal = false } = {}) {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`the encoding ${label} is not here: only utf-8 is`);
      this.fatal = fatal;
    }

    decode(bytes = new Uint8Array(0)) {
      const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
      const text = decode(view);
      if (text !== null) return text.startsWith("\ufeff") ? text.slice(1) : text;
      if (this.fatal) throw new TypeError("the bytes are not UTF-8");
      return lossy(view);
    }
  };
}

/** Every byte that is no UTF-8 becomes U+FFFD. */
function lossy(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    const size = sizeOf(bytes[at]);
    const text = decode(bytes.subarray(at, at + size));
    out += text ?? "\ufffd";
    at += text === null ? 1 : size;
  }
  return out;
}
