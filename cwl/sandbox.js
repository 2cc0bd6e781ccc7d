// Runs the JavaScript of CWL expressions, many pieces in one process. Reads one JSON document from
// standard input, writes one to standard output. Users' code runs in contexts of its own: only
// strings go in and come out, so no object of this side can be reached from there.
"use strict";
const vm = require("vm");

function context(library, seconds) {
  const made = vm.createContext(Object.create(null), {
    codeGeneration: { strings: false, wasm: false },
  });
  for (const text of library) vm.runInContext(text, made, { timeout: seconds * 1000 });
  return made;
}

function compiled(code) {
  const body = code.startsWith("{") ? code : "{return " + code + ";}";
  return new vm.Script(
    "(function(){ const told = JSON.parse(__told); inputs = told.inputs; self = told.self;" +
      " runtime = told.runtime; try { const value = (function()" + body + ")();" +
      " return 'v' + JSON.stringify([value === undefined ? null : value]); }" +
      " catch (error) { return 'e' + error; } })()"
  );
}

function answer(item, world) {
  try {
    const script = (world.scripts[item.code] ??= compiled(item.code));
    const place = (world.contexts[item.library] ??= context(
      world.libraries[item.library], world.seconds));
    place.__told = item.told;
    const found = script.runInContext(place, { timeout: world.seconds * 1000 });
    return typeof found === "string" ? found : "e its value is no JSON";
  } catch (error) {
    if (error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
      return "e it did not end within " + world.seconds + " s";
    return "e " + error;
  }
}

// What users' code leaves behind (a promise that fails) must not end the others' answers.
process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});
let text = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (piece) => { text += piece; });
process.stdin.on("end", () => {
  const asked = JSON.parse(text);
  const world = {
    libraries: asked.libraries, seconds: asked.seconds,
    scripts: Object.create(null), contexts: Object.create(null),
  };
  const found = JSON.stringify(asked.items.map((item) => answer(item, world)));
  process.stdout.write(found, () => process.exit(0));
});
