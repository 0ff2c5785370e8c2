// Shows a page to Chromium and prints what it says of it, as JSON; reads an HTTP Archive as its network panel does.
//
//   node chromium.cjs page FILE WIDTH    { requests, complaints, scrollWidth, clientWidth, text, pages }
//   node chromium.cjs har FILE           a list of { url, method, status, headers, body, failed }
//
// The page is judged by Chromium alone: `requests` are the addresses that it asked for besides the file, `complaints` what
// it logged, and `pages` how many pages it prints. The exit code is 0 unless there is no judgement.
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

class Chromium {
  constructor() {
    this.profile = fs.mkdtempSync(path.join(os.tmpdir(), "chromium-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    const own = [`--user-data-dir=${this.profile}`, "--remote-debugging-pipe", "about:blank"];
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    this.process = spawn("chromium", [...flags, ...own], { stdio, env: { ...process.env, HOME: this.profile } });
    this.process.on("error", fail);
    this.calls = new Map();
    this.listeners = [];
    this.rest = "";
    this.process.stdio[4].on("data", (data) => this.read(data.toString("utf8")));
  }

  read(data) {
    const messages = (this.rest + data).split("\0");
    this.rest = messages.pop();
    for (const message of messages.map((text) => JSON.parse(text))) {
      const call = this.calls.get(message.id);
      if (call) (message.error ? call.reject(new Error(message.error.message)) : call.resolve(message.result));
      else this.listeners.forEach((listener) => listener(message));
    }
  }

  call(method, params = {}) {
    const id = this.calls.size + 1;
    const answered = new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId: this.session }) + "\0");
    return answered;
  }

  async open() {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    this.session = (await this.call("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Network", "Log", "Runtime"]) await this.call(`${domain}.enable`);
  }

  async visit(url) {
    const loaded = new Promise((resolve) =>
      this.listeners.push(({ method }) => method === "Page.loadEventFired" && resolve()));
    await this.call("Page.navigate", { url });
    await loaded;
  }

  async evaluate(expression) {
    const result = await this.call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (result.exceptionDetails) throw new Error(JSON.stringify(result.exceptionDetails));
    return result.result.value;
  }

  close() {
    this.process.kill();
    this.process.on("exit", () => fs.rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 }));
  }
}

async function judgePage(chromium, file, width) {
  const address = pathToFileURL(path.resolve(file)).href;
  const requests = [];
  const complaints = [];
  chromium.listeners.push(({ method, params }) => {
    if (method === "Network.requestWillBeSent" && params.request.url !== address) requests.push(params.request.url);
    if (method === "Log.entryAdded") complaints.push(params.entry.text);
    if (method === "Page.javascriptDialogOpening") complaints.push("a dialog was opened");
    if (method === "Runtime.consoleAPICalled") complaints.push("a script ran");
  });
  await chromium.call("Emulation.setDeviceMetricsOverride", { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 });
  await chromium.visit(address);
  const seen = await chromium.evaluate(`({
    scrollWidth: document.documentElement.scrollWidth,
    clientWidth: document.documentElement.clientWidth,
    text: document.body.innerText,
  })`);
  const pdf = Buffer.from((await chromium.call("Page.printToPDF", { preferCSSPageSize: true })).data, "base64");
  const pages = (pdf.toString("latin1").match(/\/Type\s*\/Page\b/g) || []).length;
  return { requests, complaints, pages, ...seen };
}

// The model of Chromium's own developer tools, with the importer that its network panel uses.
async function readArchive(chromium, file) {
  const archive = fs.readFileSync(file, "utf8");
  await chromium.visit("devtools://devtools/bundled/devtools_app.html");
  return chromium.evaluate(`(async () => {
    const har = await import("./models/har/har.js");
    const root = new har.HARFormat.HARRoot(${JSON.stringify(JSON.parse(archive))});
    const requests = har.Importer.Importer.requestsFromHARLog(root.log);
    return Promise.all(requests.map(async (request) => ({
      url: request.url(),
      method: request.requestMethod,
      status: request.statusCode,
      failed: request.failed,
      headers: request.responseHeaders.map(({ name, value }) => name + ": " + value),
      body: (await request.requestContentData()).text ?? null,
    })));
  })()`);
}

function fail(error) {
  console.error(String(error.stack || error));
  process.exit(1);
}

async function main() {
  const [what, file, width] = process.argv.slice(2);
  const chromium = new Chromium();
  try {
    await chromium.open();
    const judgement = what === "har" ? await readArchive(chromium, file) : await judgePage(chromium, file, Number(width));
    console.log(JSON.stringify(judgement));
  } finally {
    chromium.close();
  }
}

main().catch(fail);
