// Judges YAML files by a JSON Schema with a parser and a validator that are not ours (js-yaml and Ajv).
//
//   node validate.cjs NODE_MODULES SCHEMA FILE...
//
// Prints `accepted FILE`, or `refused FILE: ` and why, for each file. The exit code is 0 unless it cannot judge.
const fs = require("node:fs");
const path = require("node:path");

const [modules, schemaFile, ...files] = process.argv.slice(2);
const Ajv = require(path.resolve(modules, "ajv/dist/2020")).default;
const yaml = require(path.resolve(modules, "js-yaml"));

const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
const validate = ajv.compile(JSON.parse(fs.readFileSync(schemaFile, "utf8")));

for (const file of files) {
  const document = yaml.load(fs.readFileSync(file, "utf8"), { schema: yaml.CORE_SCHEMA });
  if (validate(document)) {
    console.log(`accepted ${file}`);
  } else {
    console.log(`refused ${file}: ${ajv.errorsText(validate.errors)}`);
  }
}
