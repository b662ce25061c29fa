// Classifies one brain MRI slice:  node predict.js slice.jpg [host:port]
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

// The contract is read as it is, without a build step. It imports google/rpc/status.proto, which google-proto-files
// brings along.
const contract = protoLoader.loadSync("braintumor/v1/classifier_service.proto", {
  includeDirs: [
    process.env.BRAINTUMOR_PROTOS ?? path.join(__dirname, "..", "..", "protos"),
    path.dirname(require.resolve("google-proto-files/package.json")),
  ],
  keepCase: true, // model_version, not modelVersion
  longs: Number,
  enums: String, // "RELIABLE", not 1
  defaults: true, // a probability of 0 is there, too
});
const { ClassifierService } = grpc.loadPackageDefinition(contract).braintumor.v1;

const [file, address = process.env.BRAINTUMOR_ADDRESS ?? "127.0.0.1:50051"] = process.argv.slice(2);
if (!file) {
  console.error("usage: node predict.js IMAGE [HOST:PORT]");
  process.exit(2);
}

let image;
try {
  image = fs.readFileSync(file);
} catch (error) {
  console.error(error.message); // ENOENT: no such file or directory, open 'slice.jpg'
  process.exit(2);
}

const client = new ClassifierService(address, grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": -1, // an explanation may be larger than the 4 MiB that gRPC receives by default
});
const request = { image }; // also: version or version_label, explain
client.Predict(request, { deadline: Date.now() + 10_000 }, (error, response) => {
  client.close();
  if (error) {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exitCode = 1;
    return;
  }
  // In the service's JSON `label` is called `class`. proto-loader does not apply that, so it is done here.
  const { label, ...prediction } = response.prediction;
  const { model_name, model_version } = response;
  console.log(JSON.stringify({ prediction: { class: label, ...prediction }, model_name, model_version }));
});
