// Judges a report by a party that is not ours, and prints its judgement as JSON.
//
//   node judge.cjs NODE_MODULES har|sarif|junit FILE
//
// For `har` and `sarif` the list of what the published schema says against it (har-validator; the schema of
// @microsoft/jest-sarif, by Ajv); for `junit` what test-results-parser has read. The exit code is 0 unless it cannot judge.
const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const [modules, form, file] = process.argv.slice(2);
const tool = (name) => require(path.resolve(modules, name));

async function judge() {
  switch (form) {
    case "har":
      return tool("har-validator").har(JSON.parse(fs.readFileSync(file, "utf8"))).then(() => [], ({ errors }) => errors);
    case "sarif": {
      // The schema is one of draft 4, which the Ajv that comes with it still reads.
      const schema = path.resolve(modules, "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
      const itsOwn = createRequire(schema);
      const ajv = new (itsOwn("ajv"))({ schemaId: "auto", allErrors: true });
      ajv.addMetaSchema(itsOwn("ajv/lib/refs/json-schema-draft-04.json"));
      const validate = ajv.compile(JSON.parse(fs.readFileSync(schema, "utf8")));
      return validate(JSON.parse(fs.readFileSync(file, "utf8"))) ? [] : validate.errors;
    }
    case "junit":
      return tool("test-results-parser").parse({ type: "junit", files: [file] });
  }
}

judge().then((judgement) => console.log(JSON.stringify(judgement)), (error) => {
  console.error(String(error.stack || error));
  process.exit(1);
});
