// Judges manifests by the published types of Kubernetes (kubernetes-types), with the TypeScript compiler: it refuses
// fields that a type does not have, as an API server with strict validation does.
//
//   node cronjob.cjs NODE_MODULES FILE...
//
// Prints `accepted FILE`, or `refused FILE: ` and why, for each file. The exit code is 0 unless it cannot judge.
const fs = require("node:fs");
const path = require("node:path");

const [modules, ...files] = process.argv.slice(2);
const yaml = require(path.resolve(modules, "js-yaml"));
const ts = require(path.resolve(modules, "typescript"));

// The compiler reads sources from files beside the types; these exist in memory only.
const sources = new Map(
  files.map((file, index) => {
    const manifest = JSON.stringify(yaml.load(fs.readFileSync(file, "utf8"), { schema: yaml.CORE_SCHEMA }));
    const source = `import { CronJob } from "kubernetes-types/batch/v1";\nexport const manifest: CronJob = ${manifest};\n`;
    return [path.resolve(modules, `manifest-${index}.ts`), source];
  }),
);
const options = { strict: true, noEmit: true, skipLibCheck: true, moduleResolution: ts.ModuleResolutionKind.Node10, types: [] };
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists, readFile } = host;
host.getSourceFile = (name, ...rest) =>
  sources.has(name) ? ts.createSourceFile(name, sources.get(name), ts.ScriptTarget.ES2020) : getSourceFile(name, ...rest);
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.readFile = (name) => sources.get(name) ?? readFile(name);
const program = ts.createProgram([...sources.keys()], options, host);

[...sources.keys()].forEach((name, index) => {
  const findings = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
  const reasons = findings.map((finding) => ts.flattenDiagnosticMessageText(finding.messageText, " ").replaceAll("\n", " "));
  console.log(reasons.length === 0 ? `accepted ${files[index]}` : `refused ${files[index]}: ${reasons.join("; ")}`);
});
