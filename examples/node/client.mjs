// What every Node client of Campanile needs: the interface loaded from proto/, a channel with the token, and
// the reason of a refusal.
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const proto = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../proto");
const files = readdirSync(path.join(proto, "campanile/v1")).map((name) => `campanile/v1/${name}`);
// With keepCase fields are named as in proto/, here and in the requests.
const options = { includeDirs: [proto], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const definition = loader.loadSync(files, options);

export const { v1 } = grpc.loadPackageDefinition(definition).campanile;

export function connect(Service, url = process.env.CAMPANILE_URL ?? "http://127.0.0.1:7700") {
  return new Service(url.replace("http://", ""), grpc.credentials.createInsecure());
}

export function token(value = process.env.CAMPANILE_TOKEN) {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${value}`);
  return metadata;
}

export function call(client, method, request, metadata = token()) {
  const deadline = new Date(Date.now() + 10_000);
  return new Promise((resolve, reject) =>
    client[method](request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer))),
  );
}

const details = protobuf.parse(`syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }`, { keepCase: true }).root;

// { reason, field, message, metadata } of a refused call.
export function refusal(error) {
  const found = { reason: "", field: "", message: error.details, metadata: {} };
  const packed = error.metadata?.get("grpc-status-details-bin")[0];
  if (!packed) return found;
  for (const any of details.lookupType("Status").decode(packed).details) {
    if (any.type_url.endsWith("google.rpc.ErrorInfo")) {
      const info = details.lookupType("ErrorInfo").decode(any.value);
      Object.assign(found, { reason: info.reason, metadata: info.metadata });
    } else if (any.type_url.endsWith("google.rpc.BadRequest")) {
      found.field = details.lookupType("BadRequest").decode(any.value).field_violations[0]?.field ?? "";
    }
  }
  return found;
}
