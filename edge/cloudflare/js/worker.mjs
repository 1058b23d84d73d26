// The Worker's entry: hands each event to the Wasm module as one string and a handle on the call. No rule of caching lives here.
import { __wbg_reset_state as reset, handle, tend } from "./terrace.js";

// A module that has trapped (it ran out of memory) is of no more use: this request and the later ones get a new one.
const enter = (work, call, head) => {
  try {
    work(call, head);
  } catch (error) {
    console.error(`terrace: the module failed and is started again: ${error}`);
    reset();
    work(call, head);
  }
};

export default {
  fetch(request, env, ctx) {
    let head = `${request.method}\n${request.url}`;
    request.headers.forEach((value, name) => (head += `\n${name}\n${value}`));
    return new Promise((resolve) => enter(handle, { request, env, ctx, resolve, value: undefined }, head));
  },

  scheduled(controller, env, ctx) {
    return new Promise((resolve) => enter(tend, { env, ctx, resolve }));
  },
};
