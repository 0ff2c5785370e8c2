// Judges workflows by GitHub's own reader of them (@actions/workflow-parser).
//
//   node workflow.mjs NODE_MODULES FILE...
//
// Prints `accepted FILE` and the command of its last step as GitHub reads it, in JSON, or `refused FILE: ` and why, for
// each file. The exit code is 0 unless it cannot judge.
import fs from "node:fs";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

// The package is made for bundlers, which read JSON unasked.
const loader = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`;
register(`data:text/javascript,${encodeURIComponent(loader)}`);

const [modules, ...files] = process.argv.slice(2);
const parser = path.resolve(modules, "@actions/workflow-parser/dist/index.js");
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await import(pathToFileURL(parser));

for (const file of files) {
  const content = fs.readFileSync(file, "utf8");
  const { context, value } = parseWorkflow({ name: file, content }, new NoOperationTraceWriter());
  const workflow = value && (await convertWorkflowTemplate(context, value));
  const errors = context.errors.getErrors().map((error) => error.message);
  if (errors.length > 0) {
    console.log(`refused ${file}: ${errors.join("; ").replaceAll("\n", " ")}`);
  } else {
    const command = workflow.jobs[0].steps.at(-1).run;
    console.log(`accepted ${file} ${JSON.stringify(command.toString())}`);
  }
}
